"""Whoever erases the account leaves no session standing that somebody waits for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from domain.accounts import Role, User
from domain.booking_changes import BookingChange
from domain.errors import Code, DomainError, unavailable
from domain.times import to_wire
from domain.wire.bookings import CancelBooking, CreateBooking
from handlers.access import Actor
from handlers.accounts.me import erasures_job
from handlers.bookings import due
from handlers.bookings.commands import cancel_booking, create_booking
from store.store import Store
from tests.bookings.due_work import until_status
from tests.bookings.market import Answer, Data, Market, Somebody
from tests.harness.work import work_off


@pytest.mark.parametrize("leaves", ["client", "trainer"])
@pytest.mark.parametrize("late", [False, True])
async def test_what_lies_ahead_is_cancelled_in_the_name_of_who_left(market: Market, leaves: str, late: bool) -> None:
    trainer = await market.trainer(policy="UPTO12HR")
    client = await market.client(trainer, credits=1)
    other = await market.client(trainer, credits=1)
    booking = await market.booked(client, trainer, market.at(9))
    another = await market.booked(other, trainer, market.at(11))
    if late:
        market.clock.now = datetime.fromisoformat(booking["startsAt"]) - timedelta(hours=1)
    gone, stays = (client, trainer) if leaves == "client" else (trainer, client)
    assert await market.store.erasures.erase(gone.user, market.clock()) is not None
    found = await until_status(market, booking, stays, "cancelled")
    assert found["cancelledBy"] == leaves
    assert found["parties"][leaves]["name"] == "Erased account"
    assert await market.balance(client, trainer) == int(leaves == "trainer" or not late)
    await until_status(market, another, other, "cancelled" if leaves == "trainer" else "confirmed")


@pytest.mark.parametrize("leaves", ["client", "trainer"])
async def test_what_was_booked_meanwhile_is_cancelled_as_well(market: Market, leaves: str) -> None:
    """The booking is decided on before the erasure is committed, and committed after it."""
    trainer = await market.trainer()
    client = await market.client(trainer, credits=1)
    gone, stays = (client, trainer) if leaves == "client" else (trainer, client)
    context = market.nodes[0].context
    book = _ErasesFirst(context.store, gone.user, market, context.store.booking_transactions.book)
    actor = Actor(user_id=client.id, role="client", profile_id=client.profile, session_id=client.person.session_id)
    keyed = CreateBooking(
        idempotency_key="k",
        trainer_id=trainer.profile,
        starts_at=to_wire(market.at(9)),
        pay_with="credit",
        note="Bring a mat.",
    )
    # The key goes with the client's account, and what is committed with it is refused then: the harder case has none.
    command = msgspec.structs.replace(keyed, idempotency_key=None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(context.store.booking_transactions, "book", book)
        booking = await create_booking(context, actor, command)
    found = await until_status(market, {"id": booking.id}, stays, "cancelled")
    assert found["cancelledBy"] == leaves
    assert found["note"] == ("Bring a mat." if leaves == "trainer" else None)
    assert await market.balance(client, trainer) == 1


@pytest.mark.parametrize("leaves", ["client", "trainer"])
@pytest.mark.parametrize("interrupted", [False, True])
async def test_what_was_booked_within_an_erasure_is_cancelled_as_well(
    market: Market, leaves: str, interrupted: bool
) -> None:
    """Neither sees the other: the erasure began before the booking was committed, and was committed after it."""
    trainer = await market.trainer()
    client = await market.client(trainer, credits=1)
    gone, stays = (client, trainer) if leaves == "client" else (trainer, client)
    leave = market.store.erasures._bookings.leave
    made: list[Data] = []

    async def book_first(role: Role, profile_id: str, *arguments: Any, **how: Any) -> None:
        # The node may be at work on what an earlier test erased.
        if profile_id != gone.profile:
            pass
        elif not made:
            made.append(await market.booked(client, trainer, market.at(9), node=1))
        elif interrupted:
            raise unavailable()
        await leave(role, profile_id, *arguments, **how)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(market.store.erasures._bookings, "leave", book_first)
        assert await market.store.erasures.erase(gone.user, market.clock()) is not None
    if interrupted:
        assert (await market.call("GET", f"/bookings/{made[0]['id']}", None, stays)).body["status"] == "confirmed"
        market.clock.advance(minutes=3)
        await work_off(erasures_job(market.nodes[1].context), market.clock)
    found = await until_status(market, made[0], stays, "cancelled")
    assert found["cancelledBy"] == leaves
    assert await market.balance(client, trainer) == 1


@pytest.mark.parametrize("leaves", ["client", "trainer"])
@pytest.mark.parametrize("meanwhile", [False, True])
async def test_why_somebody_cancelled_goes_with_them(market: Market, leaves: str, meanwhile: bool) -> None:
    trainer = await market.trainer()
    client = await market.client(trainer, credits=2)
    gone, stays = (client, trainer) if leaves == "client" else (trainer, client)
    both = [await market.booked(client, trainer, market.at(hour)) for hour in (9, 11)]
    assert (await _cancelled(market, both[1], stays, "The gym is shut.")).status == 200
    context = market.nodes[0].context
    if meanwhile:
        actor = Actor(
            user_id=gone.id,
            role="client" if leaves == "client" else "trainer",
            profile_id=gone.profile,
            session_id=gone.person.session_id,
        )
        alter = _ErasesFirst(context.store, gone.user, market, context.store.booking_transactions.alter)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(context.store.booking_transactions, "alter", alter)
            command = CancelBooking(booking_id=both[0]["id"], reason="My leg is broken.")
            try:
                await cancel_booking(context, actor, command)
            except DomainError as error:
                # A node that cancels what the erased left may come first.
                assert error.code is Code.CONFLICT
    else:
        assert (await _cancelled(market, both[0], gone, "My leg is broken.")).status == 200
        assert await market.store.erasures.erase(gone.user, market.clock()) is not None
    found = [(await market.call("GET", f"/bookings/{one['id']}", None, stays)).body for one in both]
    assert [one.get("reason") for one in found] == [None, "The gym is shut."]


async def _cancelled(market: Market, booking: Data, who: Somebody, reason: str) -> Answer:
    return await market.call("POST", f"/bookings/{booking['id']}/cancel", {"reason": reason}, who)


class _ErasesFirst:
    """The real commit of the user's own change, a moment later; the node may be at work on others'."""

    def __init__(self, store: Store, user: User, market: Market, commit: Callable[..., Awaitable[Any]]) -> None:
        self._store, self._user, self._market, self._commit = store, user, market, commit
        self._erased = False

    async def __call__(self, *arguments: Any) -> Any:
        (change,) = (one for one in arguments if isinstance(one, BookingChange))
        if not self._erased and self._user.id in (change.booking.client_user_id, change.booking.trainer_user_id):
            self._erased = True
            assert await self._store.erasures.erase(self._user, self._market.clock()) is not None
        return await self._commit(*arguments)


async def test_what_has_begun_takes_its_course(market: Market) -> None:
    trainer = await market.trainer()
    client = await market.client(trainer, credits=1)
    booking = await market.booked(client, trainer, market.at(9))
    market.clock.now = datetime.fromisoformat(booking["startsAt"]) + timedelta(minutes=5)
    assert await market.store.erasures.erase(client.user, market.clock()) is not None
    await work_off(due.due_bookings_job(market.nodes[0].context), market.clock)
    path = f"/bookings/{booking['id']}"
    assert (await market.call("GET", path, None, trainer)).body["status"] == "confirmed"
    market.clock.advance(hours=2)
    await until_status(market, booking, trainer, "completed")
