"""What cancelling costs, at the exact second, and who may do what until when."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from tests.bookings.due_work import until_status
from tests.bookings.market import Market

HOURS = {"ALWAYS_FREE": 0, "UPTO12HR": 12, "UPTO24HR": 24}


@pytest.mark.parametrize("policy", HOURS)
@pytest.mark.parametrize("late", [False, True])
async def test_the_policy_s_window_to_the_second(market: Market, policy: str, late: bool) -> None:
    trainer = await market.trainer(policy=policy)
    client = await market.client(trainer, credits=1)
    booking = await market.booked(client, trainer, market.at(9, days=5))
    deadline = datetime.fromisoformat(booking["startsAt"]) - timedelta(hours=HOURS[policy])
    market.clock.now = deadline + timedelta(milliseconds=int(late))
    preview = await market.call("GET", f"/bookings/{booking['id']}/cancellation", None, client)
    if late and policy == "ALWAYS_FREE":
        assert preview.code == "conflict"
        assert (await market.cancel(booking, client)).code == "conflict"
        return
    free = not late
    assert preview.body == {
        "free": free, "creditReturned": free, "deadline": deadline.isoformat(timespec="milliseconds")[:-6] + "Z"
    }  # fmt: skip
    if late:
        assert (await market.move(booking, client, market.at(12, days=3))).code == "policy_window_passed"
    cancelled = await market.cancel(booking, client)
    assert cancelled.status == 200, cancelled.body
    assert (cancelled.body["status"], cancelled.body["cancelledBy"], cancelled.body["version"]) == (
        "cancelled",
        "client",
        2,
    )
    assert await market.balance(client, trainer) == int(free)
    assert [entry["action"] for entry in await market.log(client, trainer)] == ["created", "cancelled"]


async def test_the_hours_elapse_across_a_change_of_clocks(market: Market) -> None:
    """24 hours before 09:00 on the day after New York's clocks went back is 10:00 of the day before."""
    market.clock.now = datetime(2027, 11, 1, 12, tzinfo=UTC)
    trainer = await market.trainer(zone="America/New_York", hours=("09:00", "10:00"), policy="UPTO24HR")
    client = await market.client(trainer)
    (start,) = await market.slots(trainer, datetime(2027, 11, 7, tzinfo=UTC))
    assert start == "2027-11-07T14:00:00.000Z"
    booking = await market.booked(client, trainer, datetime.fromisoformat(start))
    preview = await market.call("GET", f"/bookings/{booking['id']}/cancellation", None, client)
    assert preview.body["deadline"] == "2027-11-06T14:00:00.000Z"


async def test_a_later_policy_does_not_touch_what_was_booked(market: Market) -> None:
    trainer = await market.trainer(policy="ALWAYS_FREE")
    client = await market.client(trainer, credits=1)
    booking = await market.booked(client, trainer, market.at(9))
    await market.pricing(trainer, policy="UPTO24HR")
    market.clock.now = datetime.fromisoformat(booking["startsAt"]) - timedelta(minutes=1)
    assert (await market.cancel(booking, client)).status == 200
    assert await market.balance(client, trainer) == 1


async def test_the_trainer_cancels_until_the_start_and_the_credit_returns(market: Market) -> None:
    trainer = await market.trainer(policy="UPTO24HR")
    client = await market.client(trainer, credits=1)
    booking = await market.booked(client, trainer, market.at(9))
    market.clock.now = datetime.fromisoformat(booking["startsAt"])
    answer = await market.call("POST", f"/bookings/{booking['id']}/cancel", {"reason": "ill"}, trainer)
    assert (answer.status, answer.body["cancelledBy"], answer.body["reason"]) == (200, "trainer", "ill")
    assert await market.balance(client, trainer) == 1


@pytest.mark.parametrize("reason", ["", " ", "a\x00b", "a\x7fb", "x" * 501])
async def test_a_reason_is_text(market: Market, reason: str) -> None:
    trainer = await market.trainer()
    client = await market.client(trainer, credits=1)
    booking = await market.booked(client, trainer, market.at(9))
    answer = await market.call("POST", f"/bookings/{booking['id']}/cancel", {"reason": reason}, client)
    assert (answer.status, answer.body["errors"][0]["field"]) == (422, "reason")
    answer = await market.call("POST", f"/bookings/{booking['id']}/cancel", {"reason": "ill:\n\tthe flu"}, client)
    assert (answer.status, answer.body["reason"]) == (200, "ill:\n\tthe flu")


async def test_an_administrator_cancels_for_nobody_s_loss(market: Market) -> None:
    trainer = await market.trainer(policy="UPTO24HR")
    client, admin = await market.client(trainer, credits=1), await market.somebody("admin")
    booking = await market.booked(client, trainer, market.at(9))
    market.clock.now = datetime.fromisoformat(booking["startsAt"]) - timedelta(hours=1)
    assert (await market.cancel(booking, admin)).body["cancelledBy"] == "admin"
    assert await market.balance(client, trainer) == 1
    assert [entry["action"] for entry in await market.log(client, trainer)] == ["created", "cancelled"]


async def test_what_is_over_stays_over(market: Market) -> None:
    trainer = await market.trainer()
    client = await market.client(trainer, credits=1)
    booking = await market.booked(client, trainer, market.at(9))
    assert (await market.cancel(booking, client)).status == 200
    for answer in (
        await market.cancel(booking, client),
        await market.move(booking, client, market.at(11)),
        await market.call("POST", f"/bookings/{booking['id']}/no-show", {}, trainer),
        await market.call("GET", f"/bookings/{booking['id']}/cancellation", None, client),
    ):
        assert (answer.status, answer.code) == (409, "conflict")
    assert await market.balance(client, trainer) == 1
    # Its time is somebody else's now.
    assert (await market.book(await market.client(trainer), trainer, market.at(9))).status == 201


async def test_a_cancellation_under_a_key_happens_once(market: Market) -> None:
    trainer = await market.trainer()
    client = await market.client(trainer, credits=1)
    booking = await market.booked(client, trainer, market.at(9))
    first, again = [await market.cancel(booking, client, key="c", node=node) for node in (0, 1)]
    assert (first.status, again.status) == (200, 200)
    assert first.body == again.body
    assert await market.balance(client, trainer) == 1


async def test_a_no_show_is_the_trainer_s_word_for_a_day(market: Market) -> None:
    trainer = await market.trainer()
    client = await market.client(trainer, credits=2)
    booking = await market.booked(client, trainer, market.at(9))
    path = f"/bookings/{booking['id']}/no-show"
    start = datetime.fromisoformat(booking["startsAt"])
    assert (await market.call("POST", path, {}, trainer)).code == "conflict"
    market.clock.now = start
    assert (await market.call("POST", path, {}, client)).code == "forbidden"
    market.clock.now = start + timedelta(hours=25, milliseconds=1)
    assert (await market.call("POST", path, {}, trainer)).code == "conflict"
    market.clock.now = start + timedelta(hours=25)
    answer = await market.call("POST", path, {}, trainer)
    assert (answer.status, answer.body["status"]) == (200, "no_show")
    assert await market.balance(client, trainer) == 1
    kinds = [entry.kind for entry in await market.store.credits.entries(client.profile, trainer.profile)]
    assert kinds[0:2] == ["grant", "consume"]
    assert len(kinds) == 3


async def test_a_reviewed_session_was_no_no_show(market: Market) -> None:
    trainer = await market.trainer()
    client = await market.client(trainer, credits=1)
    booking = await market.booked(client, trainer, market.at(9))
    market.clock.now = datetime.fromisoformat(booking["endsAt"]) + timedelta(hours=1)
    await until_status(market, booking, client, "completed")
    reviewed = await market.call("POST", f"/bookings/{booking['id']}/review", {"rating": 5}, client)
    assert reviewed.status == 201
    path = f"/bookings/{booking['id']}/no-show"
    assert (await market.call("POST", path, {}, trainer)).code == "conflict"
    assert (await market.call("GET", f"/bookings/{booking['id']}", who=client)).body["status"] == "completed"


async def test_a_review_and_a_no_show_at_once_are_one_of_them(market: Market) -> None:
    trainer = await market.trainer()
    client = await market.client(trainer, credits=6)
    bookings = [await market.booked(client, trainer, market.at(9 + n)) for n in range(6)]
    market.clock.now = datetime.fromisoformat(bookings[-1]["endsAt"]) + timedelta(hours=1)
    for booking in bookings:
        await until_status(market, booking, client, "completed")
        path = f"/bookings/{booking['id']}"
        missed, reviewed = await asyncio.gather(
            market.call("POST", f"{path}/no-show", {}, trainer),
            market.call("POST", f"{path}/review", {"rating": 1}, client, node=1),
        )
        assert sorted([missed.status, reviewed.status]) in ([200, 409], [201, 409])
        status = (await market.call("GET", path, who=client)).body["status"]
        assert status == ("no_show" if missed.status == 200 else "completed")


async def test_moving(market: Market) -> None:
    trainer = await market.trainer(policy="UPTO12HR", break_mins=30)
    client = await market.client(trainer, credits=1)
    booking = await market.booked(client, trainer, market.at(9))
    taken = await market.booked(await market.client(trainer), trainer, market.at(12))
    assert (await market.move(booking, client, market.at(12))).code == "slot_taken"
    assert (await market.move(booking, client, market.at(12, 5))).code == "slot_unavailable"
    assert (await market.move(booking, client, market.at(9))).code == "conflict"
    answer = await market.move(booking, client, market.at(15))
    assert (answer.status, answer.body["startsAt"], answer.body["version"]) == (200, _wire(market.at(15)), 2)
    assert answer.body["cancellationPolicy"] == "UPTO12HR"
    assert _wire(market.at(9)) in await market.slots(trainer, market.at(9))
    assert _wire(market.at(15)) not in await market.slots(trainer, market.at(9))
    # The trainer may at any time before the start, and over itself.
    market.clock.now = market.at(14, days=0) if market.clock() < market.at(14, days=0) else market.clock()
    await market.schedule(trainer, duration=60, break_mins=0)
    overlapping = await market.move(answer.body, trainer, market.at(16))
    assert (overlapping.status, overlapping.body["version"]) == (200, 3)
    assert [entry["action"] for entry in await market.log(client, trainer)] == [
        "created", "rescheduled", "rescheduled"
    ]  # fmt: skip
    assert await market.balance(client, trainer) == 0
    assert taken["status"] == "confirmed"


async def test_a_booking_can_be_moved_over_itself(market: Market) -> None:
    trainer = await market.trainer(duration=60)
    client = await market.client(trainer)
    booking = await market.booked(client, trainer, market.at(9))
    await market.schedule(trainer, duration=90, hours=("00:30", "23:00"))
    # 08:00 and 09:30 are on the new grid; 09:30 overlaps the hour from nine.
    answer = await market.move(booking, client, market.at(9, 30))
    assert answer.status == 200, answer.body
    assert answer.body["durationInMins"] == 90


def _wire(instant: datetime) -> str:
    return instant.isoformat(timespec="milliseconds")[:-6] + "Z"
