"""Days and hours off."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from store.availability import MAX_EXCEPTIONS
from tests.availability.weeks import EXCEPTIONS, ahead, starts, stored, works
from tests.catalogue.service import CatalogueService, Member


async def off(catalogue: CatalogueService, trainer: Member, days: int, **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = await catalogue.done(trainer.post(EXCEPTIONS, {"date": str(ahead(catalogue, days)), **more}))
    return made


async def test_a_day_off_comes_and_goes(catalogue: CatalogueService) -> None:
    trainer = await works(catalogue)
    day = ahead(catalogue, 3)
    before = await starts(catalogue, trainer, day)
    answer = await trainer.post(EXCEPTIONS, {"date": str(day), "reason": "a wedding"})
    assert answer.status == 201
    made = answer.body
    assert (made["date"], made["startTime"], made["endTime"], made["reason"]) == (str(day), None, None, "a wedding")
    assert await starts(catalogue, trainer, day) == []
    assert (await trainer.get(EXCEPTIONS)).body == {"items": [made], "nextCursor": None}
    gone = await trainer.delete(f"{EXCEPTIONS}/{made['id']}")
    assert (gone.status, gone.text) == (204, "")
    assert await starts(catalogue, trainer, day) == before != []


async def test_hours_off(catalogue: CatalogueService) -> None:
    trainer = await works(catalogue)
    made = await off(catalogue, trainer, 3, startTime="11:30", endTime="13:15")
    assert (made["startTime"], made["endTime"]) == ("11:30", "13:15")
    assert await starts(catalogue, trainer, ahead(catalogue, 3)) == ["09:00", "10:00", "13:15", "14:15", "15:15"]
    await off(catalogue, trainer, 2, startTime="20:00", endTime="10:00", reason=None)
    assert (await starts(catalogue, trainer, ahead(catalogue, 3)))[0] == "10:00"
    await off(catalogue, trainer, 3, startTime="14:00", endTime="24:00")
    assert await starts(catalogue, trainer, ahead(catalogue, 3)) == ["10:00"]


async def test_the_table_has_the_schemas_names(catalogue: CatalogueService) -> None:
    trainer = await works(catalogue)
    made = await off(catalogue, trainer, 3, startTime="11:30", endTime="13:15")
    (row,) = await stored(catalogue, "trainerAvailabilityExceptions", trainer)
    assert row.keys() == {
        "_id", "trainer", "date", "startTime", "endTime", "reason", "createdAt", "updatedAt",
    }  # fmt: skip
    assert (str(row["_id"]), row["date"]) == (made["id"], made["date"])


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"date": None}, "date"),
    ({"date": "2027-02-30"}, "date"),
    ({"date": "27-02-03"}, "date"),
    ({"date": "2020-01-01"}, "date"),
    ({"date": "9999-01-01"}, "date"),
    ({"date": "2400-01-01"}, "date"),
    ({"startTime": "10:00"}, "endTime"),
    ({"endTime": "10:00"}, "startTime"),
    ({"startTime": "10:01", "endTime": "11:00"}, "startTime"),
    ({"startTime": "24:00", "endTime": "11:00"}, "startTime"),
    ({"startTime": "10:00", "endTime": "25:00"}, "endTime"),
    ({"reason": ""}, "reason"),
    ({"reason": "x" * 501}, "reason"),
    ({"reason": "a\x00b"}, "reason"),
    ({"trainer": "0" * 24}, "trainer"),
    ({"isAvailable": True}, "isAvailable"),
]


@pytest.mark.parametrize(("change", "field"), WRONG)
async def test_what_is_refused_names_its_field(catalogue: CatalogueService, change: dict[str, Any], field: str) -> None:
    trainer = await works(catalogue)
    answer = await trainer.post(EXCEPTIONS, {"date": str(ahead(catalogue, 3)), **change})
    assert (answer.status, answer.code) == (422, "validation_failed"), answer.text
    assert [error["field"] for error in answer.body["errors"]] == [field]
    assert (await trainer.get(EXCEPTIONS)).body["items"] == []


async def test_today_is_the_trainers(catalogue: CatalogueService) -> None:
    """Somewhere it is tomorrow already, and what is today there is over here or the other way round."""
    east = await works(catalogue, zone="Pacific/Kiritimati")
    west = await works(catalogue, zone="Pacific/Pago_Pago")
    now = catalogue.surface.clock()
    assert (await west.post(EXCEPTIONS, {"date": str(ahead(catalogue, -1 if now.hour < 11 else 0))})).status == 201
    assert (await east.post(EXCEPTIONS, {"date": str(ahead(catalogue, -1 if now.hour < 10 else 0))})).status == 422


async def test_they_page_by_date(catalogue: CatalogueService) -> None:
    trainer = await works(catalogue)
    days = [9, 3, 7, 3, 20, 3, 8]
    made = [
        await off(catalogue, trainer, days_ahead, startTime=f"1{hour}:00", endTime="20:00")
        for hour, days_ahead in enumerate(days)
    ]
    seen, cursor, more = [], "", 0
    while True:
        page = (await trainer.get(f"{EXCEPTIONS}?limit=2{cursor}")).body
        seen += page["items"]
        if page["nextCursor"] is None:
            break
        # What is added before the cursor is not seen, and nothing is seen twice.
        more += 5
        await off(catalogue, trainer, 1, startTime=f"00:{more:02}", endTime="20:00")
        cursor = f"&cursor={page['nextCursor']}"
    assert seen == sorted(made, key=lambda one: (one["date"], one["id"]))
    for wrong in ("x", "bm90aGluZw", "eyJkYXRlIjoieCIsImlkIjoieCJ9"):
        assert (await trainer.get(f"{EXCEPTIONS}?cursor={wrong}")).body["errors"][0]["field"] == "cursor"
    assert (await trainer.get(f"{EXCEPTIONS}?limit=0")).status == 422


@pytest.mark.parametrize("hours", [{}, {"startTime": "10:00", "endTime": "12:00"}])
async def test_equal_ones_are_one(catalogue: CatalogueService, hours: dict[str, str]) -> None:
    """However many ask at once, whatever they give for a reason."""
    trainer = await works(catalogue)
    body = {"date": str(ahead(catalogue, 3)), **hours}
    answers = await asyncio.gather(*(trainer.post(EXCEPTIONS, {**body, "reason": f"{n}"}) for n in range(8)))
    assert sorted(answer.status for answer in answers) == [201] + [409] * 7, [answer.text for answer in answers]
    assert {answer.code for answer in answers if answer.status != 201} == {"conflict"}
    (made,) = (answer.body for answer in answers if answer.status == 201)
    assert (await trainer.get(EXCEPTIONS)).body["items"] == [made]
    # Other hours are another one, and what is gone can be made again.
    await off(catalogue, trainer, 3, startTime="10:00", endTime="12:05")
    await catalogue.done(trainer.delete(f"{EXCEPTIONS}/{made['id']}"))
    await catalogue.done(trainer.post(EXCEPTIONS, body))


async def test_so_many_lie_ahead_and_no_more(catalogue: CatalogueService) -> None:
    """However many ask at once."""
    trainer = await works(catalogue)
    first = await off(catalogue, trainer, 3)
    (row,) = await stored(catalogue, "trainerAvailabilityExceptions", trainer)
    del row["_id"]
    rows = [{**row, "date": str(ahead(catalogue, 3 + n % 60))} for n in range(MAX_EXCEPTIONS - 4)]
    # Those that are over do not count.
    rows += [{**row, "date": str(ahead(catalogue, -2 - n))} for n in range(5)]
    await catalogue.surface.database.collection("trainerAvailabilityExceptions").insert_many(rows)
    day = str(ahead(catalogue, 4))
    bodies = [{"date": day, "startTime": f"1{hour}:00", "endTime": "20:00"} for hour in range(8)]
    answers = await asyncio.gather(*(trainer.post(EXCEPTIONS, body) for body in bodies))
    assert sorted(answer.status for answer in answers) == [201] * 3 + [409] * 5
    assert {answer.code for answer in answers if answer.status == 409} == {"conflict"}
    await trainer.delete(f"{EXCEPTIONS}/{first['id']}")
    assert (await trainer.post(EXCEPTIONS, {"date": day, "startTime": "09:00", "endTime": "20:00"})).status == 201


async def test_nobody_touches_anothers(catalogue: CatalogueService) -> None:
    one, other, client = await works(catalogue), await works(catalogue), await catalogue.make("client")
    made = await off(catalogue, one, 3)
    assert (await other.delete(f"{EXCEPTIONS}/{made['id']}")).code == "not_found"
    assert (await other.get(EXCEPTIONS)).body["items"] == []
    for method, path, body in (
        ("GET", EXCEPTIONS, None),
        ("POST", EXCEPTIONS, {"date": str(ahead(catalogue, 3))}),
        ("DELETE", f"{EXCEPTIONS}/{made['id']}", None),
    ):
        assert (await client.call(method, path, body)).code == "forbidden"
        assert (await catalogue.surface.call(method, "/v1" + path, body)).status == 401
    assert (await one.delete(f"{EXCEPTIONS}/{'0' * 24}")).code == "not_found"
    assert (await one.delete(f"{EXCEPTIONS}/x")).status in (404, 422)
    assert (await one.get(EXCEPTIONS)).body["items"] == [made]


async def test_a_repeat_under_the_same_key_happens_once(catalogue: CatalogueService) -> None:
    trainer = await works(catalogue)
    body, key = {"date": str(ahead(catalogue, 3))}, {"Idempotency-Key": "off-1"}
    first, *others = await asyncio.gather(*(trainer.post(EXCEPTIONS, body, headers=key) for _ in range(3)))
    assert [(one.status, one.body) for one in others] == [(201, first.body)] * 2
    assert (await trainer.get(EXCEPTIONS)).body["items"] == [first.body]
    for _ in range(2):
        assert (await trainer.delete(f"{EXCEPTIONS}/{first.body['id']}", headers=key)).status == 204


async def test_bookings_stay_on_a_day_off(catalogue: CatalogueService) -> None:
    trainer = await works(catalogue)
    await catalogue.occupy(trainer, ahead(catalogue, 3), 10)
    made = await off(catalogue, trainer, 3)
    assert [booking["status"] for booking in await stored(catalogue, "bookings", trainer)] == ["confirmed"]
    await catalogue.done(trainer.delete(f"{EXCEPTIONS}/{made['id']}"))
    assert "10:00" not in await starts(catalogue, trainer, ahead(catalogue, 3))
