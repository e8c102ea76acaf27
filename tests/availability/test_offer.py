"""What of a trainer's time a visitor is offered."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from bson import ObjectId

from domain.availability import DAYS
from tests.availability.weeks import WEEK, ahead, starts, week, window, works
from tests.catalogue.service import CatalogueService, Member


def path(trainer: Member, first: object, last: object) -> str:
    return f"/trainers/{trainer.id}/slots?from={first}&to={last}"


async def test_slots_with_their_ends_and_the_trainers_zone(catalogue: CatalogueService) -> None:
    day = ahead(catalogue, 5)
    trainer = await works(
        catalogue, window(day.strftime("%A"), "09:00", "12:00"), zone="Asia/Kathmandu", duration=50, pause=10
    )
    answer = await catalogue.get(path(trainer, day, day))
    assert answer.body == {
        "timeZone": "Asia/Kathmandu",
        "slots": [
            {"startsAt": f"{day}T{start}:00.000Z", "endsAt": f"{day}T{end}:00.000Z"}
            for start, end in (("03:15", "04:05"), ("04:15", "05:05"), ("05:15", "06:05"))
        ],
    }
    assert (await (await catalogue.make("client")).get(path(trainer, day, day))).body == answer.body


async def test_the_dates_are_the_trainers(catalogue: CatalogueService) -> None:
    trainer = await works(catalogue, *(window(day, "00:00", "24:00") for day in DAYS), zone="Pacific/Auckland")
    day = ahead(catalogue, 5)
    zone = ZoneInfo("Pacific/Auckland")
    answer = await catalogue.get(path(trainer, day, day + timedelta(days=1)))
    found = [datetime.fromisoformat(slot["startsAt"]).astimezone(zone) for slot in answer.body["slots"]]
    assert {one.date() for one in found} == {day, day + timedelta(days=1)}
    assert (found[0].hour, found[-1].hour) == (0, 23)


async def test_windows_not_worked_offer_nothing(catalogue: CatalogueService) -> None:
    day = ahead(catalogue, 5)
    name = day.strftime("%A")
    trainer = await works(catalogue, window(name, "09:00", "10:00"), window(name, "12:00", "18:00", isAvailable=False))
    assert await starts(catalogue, trainer, day) == ["09:00"]


async def test_several_windows_a_day_and_one_over_midnight(catalogue: CatalogueService) -> None:
    day = ahead(catalogue, 5)
    name, before = day.strftime("%A"), (day - timedelta(days=1)).strftime("%A")
    trainer = await works(
        catalogue, window(name, "18:00", "20:00"), window(name, "07:00", "08:30"), window(before, "22:30", "01:00"),
        window(name, "23:00", "24:00"),
    )  # fmt: skip
    assert await starts(catalogue, trainer, day) == ["07:00", "18:00", "19:00", "23:00"]
    assert (await starts(catalogue, trainer, day - timedelta(days=1))) == ["22:30", "23:30"]


async def test_what_is_past_is_not_offered(catalogue: CatalogueService) -> None:
    trainer = await works(catalogue, *(window(day, "00:00", "24:00") for day in DAYS), duration=5)
    now = catalogue.surface.clock()
    found = await starts(catalogue, trainer, ahead(catalogue, -3), ahead(catalogue, 1))
    assert datetime.fromisoformat(found[0] + "Z") > now
    assert datetime.fromisoformat(found[0] + "Z") - now < timedelta(minutes=6)
    assert found[-1] == f"{ahead(catalogue, 1)}T23:55"


@pytest.mark.parametrize(
    ("first", "last", "field"),
    [
        (0, 61, None),
        (1, 62, None),
        (62, 62, None),
        (-61, 0, None),
        (0, 62, "to"),
        (2, 63, "to"),
        (63, 63, "to"),
        (3, 2, "to"),
    ],
)
async def test_at_most_62_days_and_62_ahead(
    catalogue: CatalogueService, first: int, last: int, field: str | None
) -> None:
    trainer = await works(catalogue)
    answer = await catalogue.get(path(trainer, ahead(catalogue, first), ahead(catalogue, last)))
    if field is None:
        assert answer.status == 200
        assert len(answer.body["slots"]) >= 8 * max(0, last - max(first, 1) + 1)
        return
    assert (answer.status, answer.code) == (422, "validation_failed")
    assert [error["field"] for error in answer.body["errors"]] == [field]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("to=2027-01-01", "from"),
        ("from=2027-01-01", "to"),
        ("from=2027-02-30&to=2027-03-01", "from"),
        ("from=2027-02-01&to=soon", "to"),
        ("from=0001-01-01&to=0001-01-01", "from to"),
        ("from=9999-12-31&to=9999-12-31", "from to"),
        ("from=2027-01-01&to=2027-01-01&timeZone=UTC", "timeZone"),
        ("from=2027-01-01&to=2027-01-01&from=2027-01-01", "from"),
    ],
)
async def test_a_wrong_query_names_its_field(catalogue: CatalogueService, query: str, field: str) -> None:
    trainer = await works(catalogue)
    answer = await catalogue.get(f"/trainers/{trainer.id}/slots?{query}")
    assert (answer.status, answer.code) == (422, "validation_failed")
    assert " ".join(error["field"] for error in answer.body["errors"]) == field


@pytest.mark.parametrize(
    "state", [{"isActive": False}, {"isBlocked": True}, {"isDeleted": True}, {"isVerified": False}]
)
async def test_who_cannot_be_booked_is_not_found(catalogue: CatalogueService, state: dict[str, Any]) -> None:
    trainer = await works(catalogue)
    day = ahead(catalogue, 1)
    assert (await catalogue.get(path(trainer, day, day))).status == 200
    users = catalogue.surface.database.collection("users")
    await users.update_one({"_id": ObjectId(trainer.person.id)}, {"$set": state})
    assert (await catalogue.get(path(trainer, day, day))).code == "not_found"


async def test_only_trainers_have_slots(catalogue: CatalogueService) -> None:
    client, day = await catalogue.make("client"), ahead(catalogue, 1)
    assert (await catalogue.get(path(client, day, day))).code == "not_found"
    assert (await catalogue.get(f"/trainers/{'0' * 24}/slots?from={day}&to={day}")).code == "not_found"


async def test_who_has_not_said_when_offers_nothing(catalogue: CatalogueService) -> None:
    trainer = await catalogue.make("trainer")
    day = ahead(catalogue, 1)
    assert (await catalogue.get(path(trainer, day, day))).body == {"timeZone": "UTC", "slots": []}


async def test_a_booking_takes_what_overlaps_it(catalogue: CatalogueService) -> None:
    trainer, day = await works(catalogue, duration=30), ahead(catalogue, 4)
    await catalogue.occupy(trainer, day, 12)
    left = await starts(catalogue, trainer, day)
    assert "11:30" in left
    assert "12:00" not in left
    assert "12:30" not in left
    assert "13:00" in left
    await catalogue.done(trainer.put(WEEK, week(duration=30, pause=15)))
    assert await starts(catalogue, trainer, day) == [
        "09:00", "09:45", "10:30", "11:15", "13:30", "14:15", "15:00", "15:45", "16:30",
    ]  # fmt: skip
