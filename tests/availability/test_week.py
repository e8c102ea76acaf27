"""A trainer says when it works."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from bson import ObjectId

from tests.availability.weeks import WEEK, ahead, starts, stored, week, window, works
from tests.catalogue.service import CatalogueService


async def test_a_week_is_read_as_it_was_written(catalogue: CatalogueService) -> None:
    trainer = await catalogue.make("trainer")
    body = week(
        window("Monday", "14:00", "24:00"),
        window("Monday", "07:05", "12:00"),
        window("Wednesday", "22:00", "02:00"),
        window("Sunday", "09:00", "12:00", isAvailable=False),
        zone="America/New_York", duration=50, pause=10, minimumNoticeInMins=90,
    )  # fmt: skip
    written = await trainer.put(WEEK, body)
    assert (written.status, written.body) == (200, body)
    assert (await trainer.get(WEEK)).body == body


async def test_who_has_not_said_anything_yet(catalogue: CatalogueService) -> None:
    trainer = await catalogue.make("trainer")
    answer = await trainer.get(WEEK)
    assert answer.body == {
        "timeZone": "UTC", "sessionDurationInMins": None, "breakBetweenSessionMins": None,
        "minimumNoticeInMins": 0, "days": [],
    }  # fmt: skip


async def test_the_tables_have_the_schemas_names(catalogue: CatalogueService) -> None:
    trainer = await works(catalogue, window("Monday", "09:00", "24:00"), zone="Asia/Kathmandu", duration=45, pause=15)
    (row,) = await stored(catalogue, "trainerAvailabilities", trainer)
    (day,) = await stored(catalogue, "availabilities", trainer)
    assert (row["sessionDurationInMins"], row["breakBetweenSessionMins"]) == (45, 15)
    assert day.keys() == {
        "_id", "trainer", "trainerAvailability", "day", "startTime", "endTime", "isAvailable", "createdAt", "updatedAt",
    }  # fmt: skip
    assert (day["trainerAvailability"], day["startTime"], day["endTime"]) == (row["_id"], "09:00", "24:00")
    profile = await catalogue.surface.database.collection("trainers").find_one({"_id": ObjectId(trainer.id)})
    assert profile is not None
    assert profile["timeZone"] == "Asia/Kathmandu"
    assert (await catalogue.get(f"/trainers/{trainer.id}")).body["timeZone"] == "Asia/Kathmandu"


async def test_a_new_week_replaces_all_of_the_old_one(catalogue: CatalogueService) -> None:
    trainer = await works(catalogue)
    (first,) = await stored(catalogue, "trainerAvailabilities", trainer)
    await catalogue.done(trainer.put(WEEK, week(window("Tuesday", "09:00", "10:00"), duration=30)))
    (second,) = await stored(catalogue, "trainerAvailabilities", trainer)
    assert (second["_id"], second["createdAt"]) == (first["_id"], first["createdAt"])
    assert [day["day"] for day in await stored(catalogue, "availabilities", trainer)] == ["Tuesday"]
    empty = {**week(), "days": []}
    assert (await trainer.put(WEEK, empty)).body == empty
    assert await starts(catalogue, trainer, ahead(catalogue, 1), ahead(catalogue, 9)) == []


MONDAY = window("Monday", "09:00", "17:00")
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"timeZone": "Mars/Olympus"}, "timeZone"),
    ({"timeZone": "localtime"}, "timeZone"),
    ({"timeZone": "../etc/passwd"}, "timeZone"),
    ({"timeZone": None}, "timeZone"),
    ({"sessionDurationInMins": 0}, "sessionDurationInMins"),
    ({"sessionDurationInMins": 52}, "sessionDurationInMins"),
    ({"sessionDurationInMins": 485}, "sessionDurationInMins"),
    ({"sessionDurationInMins": 60.5}, "sessionDurationInMins"),
    ({"sessionDurationInMins": "60"}, "sessionDurationInMins"),
    ({"sessionDurationInMins": True}, "sessionDurationInMins"),
    ({"breakBetweenSessionMins": -5}, "breakBetweenSessionMins"),
    ({"breakBetweenSessionMins": 7}, "breakBetweenSessionMins"),
    ({"breakBetweenSessionMins": 245}, "breakBetweenSessionMins"),
    ({"trainer": "0" * 24}, "trainer"),
    ({"days": None}, "days"),
    ({"days": [MONDAY] * 85}, "days"),
    ({"days": [MONDAY, MONDAY]}, "days[1]"),
    ({"days": [MONDAY, window("Sunday", "20:00", "09:05")]}, "days[0]"),
    ({"days": [window("Monday", f"{n:02d}:00", f"{n:02d}:45") for n in range(13)]}, "days[12]"),
    ({"days": [MONDAY, window("monday", "09:00", "10:00")]}, "days[1].day"),
    ({"days": [window("Monday", "9:00", "10:00")]}, "days[0].startTime"),
    ({"days": [window("Monday", "09:01", "10:00")]}, "days[0].startTime"),
    ({"days": [window("Monday", "24:00", "10:00")]}, "days[0].startTime"),
    ({"days": [window("Monday", "09:00", "24:05")]}, "days[0].endTime"),
    ({"days": [window("Monday", "09:00", "10:60")]}, "days[0].endTime"),
    ({"days": [window("Monday", "09:00", "10:00:00")]}, "days[0].endTime"),
    ({"days": [window("Monday", "09:00", "10:00\n")]}, "days[0].endTime"),
    ({"days": [window("Monday", "09:00", "10:00", isAvailable="yes")]}, "days[0].isAvailable"),
    ({"days": [window("Monday", "09:00", "10:00", id="0" * 24)]}, "days[0].id"),
    ({"days": [{"day": "Monday", "startTime": "09:00"}]}, "days[0].endTime"),
]


@pytest.mark.parametrize(("change", "field"), WRONG)
async def test_what_is_refused_names_its_field_and_changes_nothing(
    catalogue: CatalogueService, change: dict[str, Any], field: str
) -> None:
    trainer = await works(catalogue)
    answer = await trainer.put(WEEK, {**week(), **change})
    assert (answer.status, answer.code) == (422, "validation_failed"), answer.text
    assert [error["field"] for error in answer.body["errors"]] == [field]
    assert (await trainer.get(WEEK)).body == week()


async def test_only_a_trainer_has_a_week(catalogue: CatalogueService) -> None:
    for role in ("client", "admin", "superAdmin"):
        somebody = await catalogue.make(role)
        assert (await somebody.get(WEEK)).code == "forbidden"
        assert (await somebody.put(WEEK, week())).code == "forbidden"
    assert (await catalogue.get(WEEK)).status == 401
    assert (await catalogue.surface.call("PUT", "/v1" + WEEK, week())).status == 401


async def test_everybody_writes_only_his_own(catalogue: CatalogueService) -> None:
    one, other = await works(catalogue), await works(catalogue, duration=30)
    await catalogue.done(one.put(WEEK, week(duration=45)))
    assert (await other.get(WEEK)).body == week(duration=30)


async def test_of_weeks_written_at_once_one_stands_as_a_whole(catalogue: CatalogueService) -> None:
    """The first of a trainer too, when there is nothing yet that they could meet at."""
    trainer = await catalogue.make("trainer")
    bodies = [
        week(*(window("Monday", f"{n:02d}:00", f"{n:02d}:45") for n in range(count)), duration=5 * count)
        for count in range(1, 9)
    ]
    whole = [(await trainer.get(WEEK)).body, *bodies]
    for _ in range(3):
        writing, reading = [trainer.put(WEEK, body) for body in bodies], [trainer.get(WEEK) for _ in range(8)]
        answers = await asyncio.gather(*(one for both in zip(writing, reading, strict=True) for one in both))
        assert [answer.body for answer in answers[::2]] == bodies
        assert all(answer.body in whole for answer in answers)
        assert (await trainer.get(WEEK)).body in bodies
        (row,) = await stored(catalogue, "trainerAvailabilities", trainer)
        assert len(await stored(catalogue, "availabilities", trainer)) == row["sessionDurationInMins"] // 5


async def test_a_repeat_under_the_same_key_changes_nothing(catalogue: CatalogueService) -> None:
    trainer = await catalogue.make("trainer")
    key = {"Idempotency-Key": "week-1"}
    first = await trainer.put(WEEK, week(), headers=key)
    await catalogue.done(trainer.put(WEEK, week(duration=30)))
    assert (await trainer.put(WEEK, week(), headers=key)).body == first.body
    assert (await trainer.get(WEEK)).body == week(duration=30)
    assert (await trainer.put(WEEK, week(pause=5), headers=key)).code == "idempotency_conflict"


async def test_bookings_stay_and_keep_their_time(catalogue: CatalogueService) -> None:
    trainer = await works(catalogue)
    day = ahead(catalogue, 3)
    await catalogue.occupy(trainer, day, 10)
    await catalogue.done(trainer.put(WEEK, week(*(window(day.strftime("%A"), "09:30", "12:30"),), pause=15)))
    # 09:30 and 10:45 touch the hour from ten; 12:00 no longer fits.
    assert await starts(catalogue, trainer, day) == []
    await catalogue.done(trainer.put(WEEK, week(duration=30)))
    assert await starts(catalogue, trainer, day) == [
        f"{9 + n // 2:02d}:{30 * (n % 2):02d}" for n in range(16) if n not in (2, 3)
    ]


async def test_an_erased_trainer_leaves_nothing_behind(catalogue: CatalogueService) -> None:
    tokens = await catalogue.surface.sign_up(f"{catalogue.mark}@example.com", role="trainer")
    token = tokens["accessToken"]
    await catalogue.surface.call("PUT", "/v1" + WEEK, week(), token=token)
    body = {"date": str(ahead(catalogue, 5)), "reason": "to the doctor"}
    assert (await catalogue.surface.post("/me/availability/exceptions", body, token=token)).status == 201
    erased = await catalogue.surface.post("/me/erase", {"password": "correct horse battery"}, token=token)
    assert erased.status in (200, 204), erased.text
    trainer = ObjectId(tokens["user"]["profileId"])
    for name in ("trainerAvailabilities", "availabilities", "trainerAvailabilityExceptions"):
        assert await catalogue.surface.database.collection(name).count_documents({"trainer": trainer}) == 0


@pytest.mark.parametrize("what", ["week", "exception"])
async def test_what_was_let_in_before_an_erasure_does_not_come_after_it(
    catalogue: CatalogueService, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    trainer = await works(catalogue)
    erased = await catalogue.store.users.by_id(trainer.person.id)
    assert erased is not None
    change = catalogue.store.availability._change

    async def late(*arguments: Any) -> Any:
        assert await catalogue.store.erasures.erase(erased, catalogue.surface.clock()) is not None
        return await change(*arguments)

    monkeypatch.setattr(catalogue.store.availability, "_change", late)
    if what == "week":
        answer = await trainer.put(WEEK, week())
    else:
        answer = await trainer.post("/me/availability/exceptions", {"date": str(ahead(catalogue, 5)), "reason": "ill"})
    assert (answer.status, answer.code) == (401, "unauthenticated")
    for name in ("trainerAvailabilities", "availabilities", "trainerAvailabilityExceptions"):
        found = catalogue.surface.database.collection(name)
        assert await found.count_documents({"trainer": ObjectId(trainer.id)}) == 0
