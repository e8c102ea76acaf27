"""Bodies about availability, and what is read back."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from bson import ObjectId

from domain.availability import DAYS
from tests.catalogue.service import CatalogueService, Member

Body = dict[str, Any]
WEEK = "/me/availability"
EXCEPTIONS = "/me/availability/exceptions"


def window(day: str, start: str, end: str, **more: Any) -> Body:
    return {"day": day, "startTime": start, "endTime": end, "isAvailable": True, **more}


def week(*days: Body, zone: str = "UTC", duration: int = 60, pause: int = 0, **more: Any) -> Body:
    """Without days: nine to five, every day."""
    return {
        "timeZone": zone,
        "sessionDurationInMins": duration,
        "breakBetweenSessionMins": pause,
        "minimumNoticeInMins": 0,
        "days": list(days) or [window(day, "09:00", "17:00") for day in DAYS],
        **more,
    }


def ahead(catalogue: CatalogueService, days: int) -> date:
    return catalogue.surface.clock().date() + timedelta(days=days)


async def works(catalogue: CatalogueService, *days: Body, **how: Any) -> Member:
    """A new trainer who does."""
    trainer = await catalogue.make("trainer")
    await catalogue.done(trainer.put(WEEK, week(*days, **how)))
    return trainer


async def starts(catalogue: CatalogueService, trainer: Member, first: date, last: date | None = None) -> list[str]:
    """What a visitor is offered: ``HH:MM`` in UTC, with the date unless one day was asked for."""
    answer = await catalogue.get(f"/trainers/{trainer.id}/slots?from={first}&to={last or first}")
    assert answer.status == 200, answer.text
    begin = 11 if last is None else 0
    return [slot["startsAt"][begin:16] for slot in answer.body["slots"]]


async def stored(catalogue: CatalogueService, collection: str, trainer: Member) -> list[Body]:
    found = catalogue.surface.database.collection(collection).find({"trainer": ObjectId(trainer.id)})
    return await found.sort("_id", 1).to_list(None)
