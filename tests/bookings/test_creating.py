"""Booking a slot over REST: what is answered, what is in the log, and what is refused."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from domain.times import to_wire
from domain.wire.pages import InstantCursor, encode_cursor
from tests.bookings.market import Market


async def test_a_booking_is_answered_logged_and_paid(market: Market) -> None:
    trainer = await market.trainer(policy="UPTO12HR", zone="America/New_York", break_mins=15)
    client = await market.client(trainer, credits=2)
    start = market.at(15, days=3)
    await market.schedule(trainer, zone="America/New_York", hours=("09:00", "18:00"), break_mins=15)
    offered = await market.slots(trainer, start)
    assert offered
    answer = await market.call(
        "POST",
        "/bookings",
        {"trainerId": trainer.profile, "startsAt": offered[0], "payWith": "credit", "note": "Bring a mat."},
        client,
        key="one",
    )
    assert answer.status == 201, answer.body
    booking = answer.body
    assert booking["startsAt"] == offered[0]
    assert booking["durationInMins"] == 60
    assert (booking["startTime"], booking["endTime"], booking["timeZone"]) == ("09:00", "10:00", "America/New_York")
    assert booking["date"] == start.date().isoformat()
    assert booking["cancellationPolicy"] == "UPTO12HR"
    assert (booking["status"], booking["paidWith"], booking["version"]) == ("confirmed", "credit", 1)
    assert booking["note"] == "Bring a mat."
    assert (booking["trainer"], booking["client"]) == (trainer.profile, client.profile)
    assert booking["parties"]["client"]["userId"] == client.id
    assert booking["parties"]["trainer"]["id"] == trainer.profile
    assert "cancelledBy" not in booking
    assert await market.balance(client, trainer) == 1
    assert await market.log(client, trainer) == [
        {
            "id": booking["id"],
            "action": "created",
            "version": 1,
            "startsAt": booking["startsAt"],
            "endsAt": booking["endsAt"],
            "status": "confirmed",
        }
    ]
    for who in (client, trainer):
        assert (await market.call("GET", f"/bookings/{booking['id']}", None, who)).body == booking
        assert (await market.call("GET", "/bookings", None, who)).body == {"items": [booking], "nextCursor": None}
    assert offered[0] not in await market.slots(trainer, start)


@pytest.mark.parametrize("note", ["", " ", "a\x00b", "a\x07b", "x" * 1001])
async def test_a_note_is_text(market: Market, note: str) -> None:
    trainer = await market.trainer()
    client = await market.client(trainer, credits=1)
    body = {"trainerId": trainer.profile, "startsAt": market.at(9).isoformat(), "payWith": "credit", "note": note}
    answer = await market.call("POST", "/bookings", body, client, key="n")
    assert (answer.status, answer.body["errors"][0]["field"]) == (422, "note")
    assert await market.balance(client, trainer) == 1


async def test_a_repeat_under_the_same_key_answers_the_first_result(market: Market) -> None:
    trainer = await market.trainer()
    client = await market.client(trainer)
    first = await market.book(client, trainer, market.at(10), key="once")
    moved = await market.move(first.body, client, market.at(12))
    assert moved.status == 200
    again = await market.book(client, trainer, market.at(10), key="once", node=1)
    assert (again.status, again.body) == (201, first.body)
    other = await market.book(client, trainer, market.at(14), key="once")
    assert (other.status, other.code) == (409, "idempotency_conflict")
    assert await market.balance(client, trainer) == 4


async def test_the_key_is_required(market: Market) -> None:
    trainer = await market.trainer()
    client = await market.client(trainer)
    body = {"trainerId": trainer.profile, "startsAt": to_wire(market.at(10)), "payWith": "credit"}
    answer = await market.call("POST", "/bookings", body, client)
    assert (answer.status, answer.code) == (422, "validation_failed")
    assert answer.body["errors"][0]["field"] == "Idempotency-Key"


@pytest.mark.parametrize(
    "field",
    ["trainer", "client", "endTime", "endsAt", "cancellationPolicy", "status", "price", "durationInMins", "role"],
)
async def test_what_the_server_derives_is_refused_in_a_body(market: Market, field: str) -> None:
    trainer = await market.trainer()
    client = await market.client(trainer)
    body: dict[str, Any] = {"trainerId": trainer.profile, "startsAt": to_wire(market.at(10)), "payWith": "credit"}
    answer = await market.call("POST", "/bookings", {**body, field: "x"}, client, key="k")
    assert (answer.status, answer.code) == (422, "validation_failed")
    assert answer.body["errors"][0]["field"] == field


@pytest.mark.parametrize(
    ("shift", "hidden"),
    [
        (timedelta(minutes=5), "off the grid"),
        (timedelta(seconds=1), "off the grid by a second"),
        (timedelta(days=-3), "past"),
        (timedelta(days=63), "beyond the horizon"),
        (timedelta(hours=9), "outside the window"),
    ],
)
async def test_what_the_offer_hides_is_refused(market: Market, shift: timedelta, hidden: str) -> None:
    trainer = await market.trainer(hours=("08:00", "17:00"))
    client = await market.client(trainer)
    answer = await market.book(client, trainer, market.at(9) + shift)
    assert (answer.status, answer.code) == (409, "slot_unavailable"), hidden
    assert await market.balance(client, trainer) == 5
    assert await market.log(client, trainer) == []


async def test_a_start_inside_another_booking_s_break_is_not_offered(market: Market) -> None:
    trainer = await market.trainer(duration=60, break_mins=30)
    client = await market.client(trainer)
    await market.booked(client, trainer, market.at(9))
    # The grid goes on at 10:30; 10:00 lies in the break.
    answer = await market.book(await market.client(trainer), trainer, market.at(10))
    assert answer.code == "slot_unavailable"
    assert (await market.book(await market.client(trainer), trainer, market.at(9))).code == "slot_taken"
    assert (await market.book(client, trainer, market.at(10, 30))).status == 201


async def test_an_exception_hides_and_refuses(market: Market) -> None:
    trainer = await market.trainer()
    client = await market.client(trainer)
    day = market.at(0, days=4)
    answer = await market.call("POST", "/me/availability/exceptions", {"date": day.date().isoformat()}, trainer)
    assert answer.status == 201, answer.body
    assert await market.slots(trainer, day) == []
    assert (await market.book(client, trainer, market.at(9, days=4))).code == "slot_unavailable"


async def test_a_taken_start_stays_taken_when_the_schedule_changes(market: Market) -> None:
    trainer = await market.trainer(duration=60)
    client = await market.client(trainer)
    await market.booked(client, trainer, market.at(9))
    await market.schedule(trainer, duration=45)
    # 09:00 is on the new grid too (12 * 45), 09:45 overlaps the hour that was booked.
    for start in (market.at(9), market.at(9, 45)):
        assert (await market.book(await market.client(trainer), trainer, start)).code == "slot_taken"
    assert (await market.book(client, trainer, market.at(10, 30))).status == 201


async def test_a_client_cannot_be_in_two_places(market: Market) -> None:
    one, other = await market.trainer(), await market.trainer(duration=90)
    client = await market.client(one, other)
    await market.booked(client, one, market.at(10))
    assert (await market.book(client, other, market.at(9))).code == "own_conflict"
    assert await market.balance(client, other) == 5
    assert (await market.book(client, other, market.at(12))).status == 201


async def test_who_and_what_cannot_be_booked(market: Market) -> None:
    trainer, bare = await market.trainer(), await market.somebody("trainer")
    client = await market.client(trainer, credits=1)
    assert (await market.book(client, client, market.at(9))).code == "not_found"
    assert (await market.book(client, bare, market.at(9))).code == "slot_unavailable"
    assert (await market.book(trainer, trainer, market.at(9))).code == "forbidden"
    assert (await market.book(client, trainer, market.at(9), pay_with="trial")).code == "trial_unavailable"
    assert (await market.book(client, trainer, market.at(9), pay_with="card")).code == "conflict"
    assert (await market.book(client, trainer, market.at(9), pay_with="gold")).code == "validation_failed"
    assert (await market.book(client, trainer, market.at(9))).status == 201
    broke = await market.book(client, trainer, market.at(11))
    assert (broke.status, broke.code) == (402, "insufficient_credit")
    assert (await market.call("PATCH", "/me", {"isActive": False}, trainer)).status == 200
    assert (await market.book(await market.client(trainer), trainer, market.at(12))).code == "not_found"


@pytest.mark.parametrize("at", [-(10**30), -(10**15), -62_135_596_800_000, 253_402_300_800_000, 2**63, 10**30])
async def test_a_forged_cursor_is_refused_or_leads_nowhere(market: Market, at: int) -> None:
    client = await market.somebody("client")
    cursor = encode_cursor(InstantCursor(at, "0" * 24))
    answer = await market.call("GET", "/bookings", None, client, query={"cursor": cursor})
    assert answer.code == "validation_failed" or answer.body == {"items": [], "nextCursor": None}


@pytest.mark.parametrize(
    ("since", "until", "refused"),
    [
        ("2026-12-02", "2026-12-01", True), ("2026-12-02", "2026-12-02", False),
        ("2026-12-02T00:00:00Z", "2026-12-01", True), ("2026-12-01T23:59:59Z", "2026-12-01", False),
        ("2026-12-02T10:00:00Z", "2026-12-02T09:59:59Z", True),
        ("2026-12-02T10:00:00Z", "2026-12-02T12:00:00+02:00", False),
    ],
)  # fmt: skip
async def test_a_list_does_not_end_before_it_begins(market: Market, since: str, until: str, refused: bool) -> None:
    for who in (await market.client(), await market.trainer(), await market.somebody("admin")):
        answer = await market.call("GET", "/bookings", who=who, query={"from": since, "to": until})
        if refused:
            assert (answer.status, [error["field"] for error in answer.body["errors"]]) == (422, ["to"])
        else:
            assert answer.body == {"items": [], "nextCursor": None}


async def test_lists_page_by_start(market: Market) -> None:
    trainer = await market.trainer()
    client = await market.client(trainer)
    starts = [market.at(9, days=days) for days in (4, 2, 3)]
    made = [await market.booked(client, trainer, start) for start in starts]
    await market.cancel(made[0], client)
    first = (await market.call("GET", "/bookings", None, client, query={"limit": 2})).body
    rest = (await market.call("GET", "/bookings", None, client, query={"limit": 2, "cursor": first["nextCursor"]})).body
    assert [b["id"] for b in first["items"] + rest["items"]] == [made[n]["id"] for n in (1, 2, 0)]
    assert rest["nextCursor"] is None
    confirmed = (await market.call("GET", "/bookings", None, trainer, query={"status": "confirmed"})).body["items"]
    assert [b["id"] for b in confirmed] == [made[1]["id"], made[2]["id"]]
    since = starts[2].date().isoformat()
    assert len((await market.call("GET", "/bookings", None, client, query={"from": since})).body["items"]) == 2
    assert len((await market.call("GET", "/bookings", None, client, query={"to": since})).body["items"]) == 2
    earlier = (await market.call("GET", "/bookings", None, client, query={"to": to_wire(starts[2])})).body
    assert len(earlier["items"]) == 1
    wrong = ({"cursor": "x"}, {"cursor": "e30"}, {"from": "2026-13-01"}, {"to": "soon"}, {"status": "lost"})
    for query in wrong:
        assert (await market.call("GET", "/bookings", None, client, query=query)).code == "validation_failed"
