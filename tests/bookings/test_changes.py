"""``changedAfter``: what changed of one's bookings, in the order of the commits, without a gap; on both surfaces."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from bson import ObjectId, Timestamp

from domain.bookings import next_version
from domain.times import to_wire
from domain.wire.events import BOOKINGS
from store.bookings import NAME
from store.database import ClientSession
from tests.bookings.market import Data, Market, Somebody
from tests.bookings.phones import phone
from tests.harness.devices import TIMEOUT_SECONDS, Refused

HOUR = timedelta(hours=1)


async def changes(market: Market, who: Somebody, after: str = "", limit: int | None = None, node: int = 0) -> Data:
    query: Data = {"changedAfter": after} | ({} if limit is None else {"limit": limit})
    answer = await market.call("GET", "/bookings", who=who, query=query, node=node)
    assert answer.status == 200, answer.body
    found: Data = answer.body
    assert found.keys() == {"items", "changes", "hasMore"}
    return found


def _told(answer: Data) -> list[tuple[str, int]]:
    return [(item["id"], item["version"]) for item in answer["items"]]


async def _three(market: Market) -> tuple[Somebody, Somebody, list[Data]]:
    trainer = await market.trainer()
    client = await market.client(trainer)
    # The last one first, by start.
    return client, trainer, [await market.booked(client, trainer, market.at(hour)) for hour in (12, 11, 10)]


async def test_what_changed_since_the_last_answer(market: Market) -> None:
    client, trainer, (one, two, three) = await _three(market)
    for who in (client, trainer):
        first = await changes(market, who)
        assert first["items"] == [one, two, three]
        assert first["hasMore"] is False
        again = await changes(market, who, first["changes"])
        assert again == {"items": [], "changes": first["changes"], "hasMore": False}
    moved = (await market.move(two, client, market.at(14))).body
    gone = (await market.cancel(one, trainer)).body
    for who in (client, trainer):
        first = await changes(market, who)
        assert first["items"] == [three, moved, gone]
        assert [moved, gone] == [item for item in first["items"] if item["version"] == 2]
    cursor = (await changes(market, client))["changes"]
    four = await market.booked(client, trainer, market.at(15), node=1)
    await market.cancel(four, client)
    last = await changes(market, client, cursor, node=1)
    assert _told(last) == [(four["id"], 2)]


@pytest.mark.parametrize("limit", [1, 2])
async def test_pages_go_on_where_the_last_ended(market: Market, limit: int) -> None:
    client, trainer, booked = await _three(market)
    cursor, told, more = "", list[tuple[str, int]](), True
    while more:
        answer = await changes(market, trainer, cursor, limit)
        assert len(answer["items"]) <= limit
        told += _told(answer)
        if len(told) == limit:
            # What was told already changes again, and comes once more.
            await market.cancel(booked[0], client)
        cursor, more = answer["changes"], answer["hasMore"]
    assert told == [(one["id"], 1) for one in booked] + [(booked[0]["id"], 2)]


async def test_on_the_socket_as_well(market: Market) -> None:
    client, trainer, booked = await _three(market)
    async with phone(market, client, 1) as his:
        first = await his.do("booking:list", {"changedAfter": "", "limit": 2}, BOOKINGS)
        assert (first["items"], first["hasMore"]) == (booked[:2], True)
        rest = await changes(market, client, first["changes"])
        assert (rest["items"], rest["hasMore"]) == (booked[2:], False)
        await market.cancel(booked[1], trainer)
        again = await his.do("booking:list", {"changedAfter": rest["changes"]}, BOOKINGS)
        assert _told(again) == [(booked[1]["id"], 2)]


async def test_one_s_own_and_no_others(market: Market) -> None:
    client, trainer, _ = await _three(market)
    stranger, admin = await market.client(trainer), await market.somebody("admin")
    cursor = (await changes(market, client))["changes"]
    other = await market.booked(stranger, trainer, market.at(16))
    assert (await changes(market, client, cursor))["items"] == []
    assert (await changes(market, stranger, cursor))["items"] == [other]
    assert (await changes(market, admin))["items"] == []
    assert len((await changes(market, trainer))["items"]) == 4


async def test_a_cursor_of_a_database_that_is_no_more_starts_over(market: Market) -> None:
    _, trainer, _ = await _three(market)
    cursor = (await changes(market, trainer))["changes"]
    await market.store.database.collection("bookingCounters").update_one(
        {"_id": ObjectId(trainer.profile)}, {"$set": {"last": 2}}
    )
    assert len((await changes(market, trainer, cursor))["items"]) == 3


async def test_bookings_of_before_the_upgrade_are_told(market: Market) -> None:
    client, _, booked = await _three(market)
    await market.store.database.collection(NAME).update_many(
        {"client": ObjectId(client.profile)}, {"$unset": {"changedAt": "", "clientChange": "", "trainerChange": ""}}
    )
    await market.cancel(booked[0], client)
    first = await changes(market, client)
    assert _told(first) == [(booked[1]["id"], 1), (booked[2]["id"], 1), (booked[0]["id"], 2)]


async def test_the_database_says_when_a_booking_changed(market: Market) -> None:
    client, _, (booked, other, _) = await _three(market)
    rows = market.store.database.collection(NAME)

    async def at(booking: Data) -> Timestamp:
        found = await rows.find_one({"_id": ObjectId(booking["id"])})
        assert found is not None
        changed_at: Timestamp = found["changedAt"]
        return changed_at

    first = await at(booked)
    assert Timestamp(1, 1) < first < await at(other)
    await market.cancel(booked, client)
    assert await at(other) < await at(booked)


async def test_what_an_erasure_takes_away_is_told(market: Market) -> None:
    client, trainer, booked = await _three(market)
    body = {"trainerId": trainer.profile, "startsAt": "2026-11-22T09:30:00.000Z", "payWith": "credit", "note": "knee"}
    body["startsAt"] = booked[0]["startsAt"].replace("T12", "T17")
    noted = (await market.call("POST", "/bookings", body, client, key="noted")).body
    await market.cancel(noted, client)
    cursor = (await changes(market, trainer))["changes"]
    market.clock.advance(days=2)
    await market.store.erasures.erase(client.user, market.clock())
    told = await changes(market, trainer, cursor)
    (item,) = (item for item in told["items"] if item["id"] == noted["id"])
    assert (item["note"], item["version"]) == (None, 3)


async def test_whoever_read_a_booking_before_an_erasure_brings_nothing_back(market: Market) -> None:
    client, trainer, _ = await _three(market)
    body = {"trainerId": trainer.profile, "startsAt": to_wire(market.at(17)), "payWith": "credit", "note": "knee"}
    noted = (await market.call("POST", "/bookings", body, client, key="noted")).body
    await market.cancel(noted, client)
    before = await market.store.bookings.by_id(noted["id"])
    assert before is not None and before.note == "knee"
    await market.store.erasures.erase(client.user, market.clock())

    async def replace(session: ClientSession) -> bool:
        later = next_version(before, market.clock())
        return await market.store.bookings.replace(later, market.clock(), session=session)

    assert not await market.store.database.transaction(replace)
    assert (await market.call("GET", f"/bookings/{noted['id']}", who=trainer)).body["note"] is None


async def test_a_commit_that_comes_late_is_in_the_next_answer(market: Market) -> None:
    """It began first, and its booking was written first."""
    client, trainer, (one, two, _) = await _three(market)
    cursor = (await changes(market, trainer))["changes"]
    bookings, written, go_on = market.store.bookings, asyncio.Event(), asyncio.Event()
    booking = await bookings.by_id(one["id"])
    assert booking is not None

    async def slow(session: ClientSession) -> None:
        assert await bookings.replace(next_version(booking, market.clock()), market.clock(), session=session)
        written.set()
        await go_on.wait()

    late = asyncio.create_task(market.store.database.transaction(slow))
    await written.wait()
    await market.cancel(two, client)
    early = await changes(market, trainer, cursor)
    assert _told(early) == [(two["id"], 2)]
    go_on.set()
    await late
    assert _told(await changes(market, trainer, early["changes"])) == [(one["id"], 2)]


async def test_nothing_is_missed_beside_those_who_book(market: Market) -> None:
    """Two devices ask all the while, one page after the other, while many bookings are made and unmade at once."""
    trainer = await market.trainer()
    clients = [await market.client(trainer) for _ in range(4)]
    rng, done = Random(22), asyncio.Event()

    async def lives(client: Somebody, first_hour: int) -> None:
        for hour in range(first_hour, first_hour + 4):
            booking = await market.booked(client, trainer, market.at(hour), node=hour)
            if rng.random() < 0.6:
                await market.cancel(booking, rng.choice((client, trainer)), node=hour + 1)

    async def follows(node: int, limit: int) -> dict[str, Data]:
        held: dict[str, Data] = {}
        cursor, last = "", False
        while True:
            answer = await changes(market, trainer, cursor, limit, node)
            for item in answer["items"]:
                assert item["version"] > held.get(item["id"], {"version": 0})["version"]
                held[item["id"]] = item
            cursor = answer["changes"]
            if last and not answer["hasMore"]:
                return held
            last = done.is_set()

    following = [asyncio.create_task(follows(0, 2)), asyncio.create_task(follows(1, 100))]
    async with asyncio.timeout(TIMEOUT_SECONDS):
        await asyncio.gather(*(lives(client, 1 + 5 * number) for number, client in enumerate(clients)))
        done.set()
        both = await asyncio.gather(*following)
    fresh = {item["id"]: item for item in (await changes(market, trainer, limit=100))["items"]}
    assert both == [fresh, fresh]
    assert len(fresh) == 16


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ({"changedAfter": "x"}, ["changedAfter"]),
        ({"changedAfter": "eyJudW1iZXIiOi0xfQ"}, ["changedAfter"]),
        ({"changedAfter": "W10"}, ["changedAfter"]),
        ({"changedAfter": "a" * 513}, ["changedAfter"]),
        ({"changedAfter": "", "limit": 0}, ["limit"]),
        ({"changedAfter": "", "status": "confirmed"}, ["status"]),
        ({"changedAfter": "", "from": "2026-11-22", "to": "2026-11-23", "cursor": "x"}, ["from", "to", "cursor"]),
        ({"status": "confirmed,late"}, ["status"]),
        ({"status": "confirmed,"}, ["status"]),
        ({"status": ""}, ["status"]),
    ],
)
async def test_what_is_refused(market: Market, query: dict[str, Any], fields: list[str]) -> None:
    client = await market.somebody("client")
    answer = await market.call("GET", "/bookings", who=client, query=query)
    assert (answer.status, [error["field"] for error in answer.body["errors"]]) == (422, fields)
    async with phone(market, client) as his:
        with pytest.raises(Refused, match="validation_failed") as refused:
            await his.do("booking:list", query, BOOKINGS)
        assert [error["field"] for error in refused.value.error["errors"]] == fields


async def test_a_cursor_of_another_list_is_told_what_would_be_right(market: Market) -> None:
    client = await market.somebody("client")
    answer = await market.call("GET", "/bookings", who=client, query={"changedAfter": "abc"})
    told = "is not one that this list gave: send changes of its last answer as it was"
    assert answer.body["errors"] == [{"field": "changedAfter", "message": told}]


async def test_several_states_in_one_list(market: Market) -> None:
    client, _, (one, two, three) = await _three(market)
    await market.cancel(one, client)
    for status, wanted in (
        ("cancelled", [one]),
        ("confirmed,cancelled", [three, two, one]),
        ("cancelled,cancelled,no_show", [one]),
        ("held,expired", []),
    ):
        answer = await market.call("GET", "/bookings", who=client, query={"status": status})
        assert [item["id"] for item in answer.body["items"]] == [booking["id"] for booking in wanted]


async def test_the_log_has_the_version_and_where_it_was_before(market: Market) -> None:
    client, trainer, (one, _, _) = await _three(market)
    moved = (await market.move(one, client, market.at(14))).body
    await market.cancel(one, client)
    log = [entry for entry in await market.log(client, trainer) if entry["id"] == one["id"]]
    told = [(entry["action"], entry["version"]) for entry in log]
    assert told == [("created", 1), ("rescheduled", 2), ("cancelled", 3)]
    assert [entry.get("previousStartsAt") for entry in log] == [None, one["startsAt"], None]
    assert log[1]["startsAt"] == moved["startsAt"]
    # As an earlier version wrote it.
    messages = market.store.database.collection("messages")
    await messages.update_many({"booking.id": ObjectId(one["id"])}, {"$unset": {"booking.version": ""}})
    assert [entry for entry in await market.log(client, trainer) if entry["id"] == one["id"]] == log
