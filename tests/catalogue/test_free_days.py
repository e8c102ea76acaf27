"""Trainers with a free slot on a day."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from domain.availability import Day, weekday
from handlers.catalogue import search
from tests.catalogue.service import CatalogueService, Member


def ahead(days: int) -> date:
    """Far enough from midnight in any zone not to matter."""
    return date.today() + timedelta(days=days)


async def works(catalogue: CatalogueService, trainer: Member, *days: tuple[Day, str, str], zone: str = "UTC") -> None:
    body = {
        "timeZone": zone,
        "sessionDurationInMins": 60,
        "breakBetweenSessionMins": 0,
        "days": [{"day": d, "startTime": start, "endTime": end, "isAvailable": True} for d, start, end in days],
    }
    await catalogue.done(trainer.put("/me/availability", body))


async def test_who_works_that_day_is_found(catalogue: CatalogueService) -> None:
    day = ahead(10)
    working, idle = await catalogue.trainer(), await catalogue.trainer()
    await works(catalogue, working, (weekday(day), "09:00", "12:00"))
    await works(catalogue, idle, (weekday(day + timedelta(days=1)), "09:00", "12:00"))
    assert await catalogue.found(f"availableOn={day}") == [working.id]
    assert await catalogue.found(f"availableOn={day + timedelta(days=1)}") == [idle.id]
    assert await catalogue.found(f"availableOn={day + timedelta(days=2)}") == []
    await works(catalogue, working)
    assert await catalogue.found(f"availableOn={day}") == []


async def test_a_window_past_midnight_counts_for_the_next_day(catalogue: CatalogueService) -> None:
    day = ahead(10)
    late, evening = await catalogue.trainer(), await catalogue.trainer()
    await works(catalogue, late, (weekday(day - timedelta(days=1)), "23:00", "02:00"))
    await works(catalogue, evening, (weekday(day - timedelta(days=1)), "22:00", "24:00"))
    assert await catalogue.found(f"availableOn={day}") == [late.id]


async def test_a_day_off_and_a_full_day_are_not_free(catalogue: CatalogueService) -> None:
    day = ahead(10)
    off, full, free = [await catalogue.trainer() for _ in range(3)]
    for trainer in (off, full, free):
        await works(catalogue, trainer, (weekday(day), "09:00", "10:00"))
    await catalogue.done(off.post("/me/availability/exceptions", {"date": str(day)}))
    await catalogue.occupy(full, day, 9)
    assert await catalogue.found(f"availableOn={day}") == [free.id]


@pytest.mark.parametrize("days", [-2, 70, 4000])
async def test_out_of_reach_nobody_is_free(catalogue: CatalogueService, days: int) -> None:
    day = ahead(days)
    trainer = await catalogue.trainer()
    await works(catalogue, trainer, (weekday(day), "09:00", "10:00"))
    assert await catalogue.found(f"availableOn={day}") == []


async def test_pages_are_filled_past_those_who_are_busy(
    catalogue: CatalogueService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looked at two by two and eight an answer at most, everybody free comes once, in order."""
    monkeypatch.setattr(search, "AT_ONCE", 2)
    monkeypatch.setattr(search, "MOST_LOOKED_AT", 8)
    day = ahead(10)
    free: list[str] = []
    for number in range(13):
        trainer = await catalogue.trainer()
        await works(catalogue, trainer, (weekday(day), "09:00", "10:00"))
        if number in (1, 2, 6, 12):
            free.insert(0, trainer.id)
        else:
            await catalogue.done(trainer.post("/me/availability/exceptions", {"date": str(day)}))
    seen: list[str] = []
    cursor = ""
    pages: list[Any] = []
    while True:
        path = f"/trainers?country={catalogue.mark}&sort=newest&availableOn={day}&limit=3{cursor}"
        pages.append((await catalogue.get(path)).body)
        seen += [item["id"] for item in pages[-1]["items"]]
        if pages[-1]["nextCursor"] is None:
            break
        cursor = f"&cursor={pages[-1]['nextCursor']}"
    assert seen == free
    assert [len(page["items"]) for page in pages] == [2, 2]


async def test_with_every_other_filter(catalogue: CatalogueService) -> None:
    day = ahead(10)
    trainer = await catalogue.priced(4000, city="Bern")
    await works(catalogue, trainer, (weekday(day), "09:00", "10:00"))
    assert await catalogue.found(f"availableOn={day}&city=bern&maxPrice=4000&sort=price&q=tara") == [trainer.id]
    assert await catalogue.found(f"availableOn={day}&maxPrice=3999") == []
