"""How long before its start a session can be booked at the latest; and the key that every booking has."""

from __future__ import annotations

from datetime import timedelta

import pytest

from domain.times import to_wire
from domain.wire.events import BOOKINGS
from tests.bookings.market import DAYS, Data, Market, Somebody
from tests.bookings.phones import phone, wanted


async def with_notice(market: Market, trainer: Somebody, minutes: object) -> Data:
    body = {
        "timeZone": "UTC",
        "sessionDurationInMins": 60,
        "breakBetweenSessionMins": 0,
        "minimumNoticeInMins": minutes,
        "days": [{"day": day, "startTime": "00:00", "endTime": "24:00"} for day in DAYS],
    }
    answer = await market.call("PUT", "/me/availability", body, trainer)
    return {"status": answer.status, **answer.body}


async def test_what_begins_too_soon_is_not_offered(market: Market) -> None:
    trainer = await market.trainer()
    client = await market.client(trainer)
    assert (await market.call("GET", "/me/availability", None, trainer)).body["minimumNoticeInMins"] == 0
    assert (await with_notice(market, trainer, 120))["minimumNoticeInMins"] == 120
    assert (await market.call("GET", "/me/availability", None, trainer)).body["minimumNoticeInMins"] == 120
    market.clock.now = market.at(9)
    today = market.at(0, days=0)
    assert (await market.slots(trainer, today))[0] == to_wire(today + timedelta(hours=11))
    assert (await market.book(client, trainer, today + timedelta(hours=10))).code == "slot_unavailable"
    booked = await market.booked(client, trainer, today + timedelta(hours=11))
    assert (await market.move(booked, client, today + timedelta(hours=10))).code == "slot_unavailable"
    market.clock.now = market.at(9, days=0) + timedelta(seconds=1)
    assert (await market.slots(trainer, today))[0] == to_wire(today + timedelta(hours=12))


@pytest.mark.parametrize("minutes", [-1, 14 * 24 * 60 + 1, 1.5, "60", None])
async def test_what_is_no_notice(market: Market, minutes: object) -> None:
    answer = await with_notice(market, await market.trainer(), minutes)
    assert (answer["status"], answer["errors"][0]["field"]) == (422, "minimumNoticeInMins")


async def test_a_booking_needs_a_key_on_both_surfaces(market: Market) -> None:
    trainer = await market.trainer()
    client = await market.client(trainer)
    said = wanted(trainer, market.at(9))
    async with phone(market, client) as his:
        for bad in (_without(said), {**said, "idempotencyKey": None}, {**said, "idempotencyKey": ""}):
            answer = await his.ask("booking:create", bad, BOOKINGS)
            assert answer["error"]["code"] == "validation_failed"
            assert [error["field"] for error in answer["error"]["errors"]] == ["idempotencyKey"]
        assert (await his.do("booking:create", said, BOOKINGS))["status"] == "confirmed"
    refused = await market.call("POST", "/bookings", _without(wanted(trainer, market.at(11))), client)
    assert (refused.status, refused.body["errors"][0]["field"]) == (422, "Idempotency-Key")


def _without(said: Data) -> Data:
    return {name: value for name, value in said.items() if name != "idempotencyKey"}


async def test_another_session_of_the_client_s_own_is_told_apart(market: Market) -> None:
    trainer, other = await market.trainer(), await market.trainer()
    client, stranger = await market.client(trainer, other), await market.client(trainer, other)
    await market.booked(client, trainer, market.at(9))
    assert (await market.book(client, other, market.at(9))).code == "own_conflict"
    later = await market.booked(client, other, market.at(11))
    assert (await market.move(later, client, market.at(9))).code == "own_conflict"
    # Nobody gets what somebody has, its own client included.
    assert (await market.book(client, trainer, market.at(9))).code == "slot_taken"
    assert (await market.book(stranger, trainer, market.at(9))).code == "slot_taken"
