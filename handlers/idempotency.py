"""Commands with an idempotency key: a repeat answers what the first one was answered, and does nothing.

Commands with an idempotency key whose first result is kept in the very commit that it tells of.

So a server that dies right after the commit leaves no doubt: a repeat is answered with what was committed.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from hashlib import blake2b
from typing import Any, TypeVar

import msgspec

from domain.bookings import Booking
from domain.errors import Code, DomainError, unavailable
from domain.times import whole_milliseconds
from domain.wire import codec
from domain.wire.base import Command
from domain.wire.bookings import BookingAnswer
from domain.wire.conversations import MessageAnswer
from handlers import access
from handlers.access import Actor
from handlers.bookings import announce, queries
from handlers.context import Context
from handlers.messages import views
from store.idempotency import CLAIM_LASTS, Keep, Receipt, Scope, nothing

C = TypeVar("C", bound=Command)
R = TypeVar("R")
Handler = Callable[[Context, Actor, C], Awaitable[R]]

# How long a repeat waits for a first one that is still at work.
PATIENCE_SECONDS = 8.0
_PAUSE_SECONDS = 0.05


class _Named(msgspec.Struct, frozen=True):
    """What is kept of an answer that is a message: messages change, and what was deleted must not come back."""

    id: str


def idempotent(handler: Handler[C, R]) -> Handler[C, R | msgspec.Raw]:
    """The first result itself is answered to a repeat.

    For commands that come to the same when they are done again: a server that dies before it has kept the result
    lets the repeat do so. Raises ``idempotency_conflict`` when the key came with another body before. Only successes
    are remembered.
    """

    async def recall(context: Context, actor: Actor, kept: bytes) -> msgspec.Raw:
        return as_answered(kept)

    return _once(handler, codec.encode, recall)


def idempotent_message(handler: Handler[C, MessageAnswer]) -> Handler[C, MessageAnswer]:
    """For commands that answer a message: a repeat is answered with that message as it now stands."""

    async def recall(context: Context, actor: Actor, kept: bytes) -> MessageAnswer:
        _, record = await access.message(context, actor, codec.decode(_Named, kept).id)
        (message,) = await views.seen_messages(context, [record])
        return MessageAnswer(message=message)

    return _once(handler, lambda answer: codec.encode(_Named(answer.message.id)), recall)


def _once(
    handler: Handler[C, R], keep: Callable[[R], bytes], recall: Callable[[Context, Actor, bytes], Awaitable[Any]]
) -> Handler[C, Any]:
    @functools.wraps(handler)
    async def once(context: Context, actor: Actor, command: C) -> Any:
        if command.idempotency_key is None:
            return await handler(context, actor, command)
        # Nothing that came later on this socket may overtake while the key is looked up.
        async with actor.turn:
            claimed = await claim(context, scope_of(actor, command), digest_of(command))
            if isinstance(claimed, bytes):
                return await recall(context, actor, claimed)
            try:
                answer = await handler(context, replace(actor, turn=asyncio.Lock()), command)
            except BaseException:
                await asyncio.shield(context.store.idempotency.release(claimed))
                raise
            await context.store.idempotency.keep(claimed, keep(answer))
            return answer

    return once


def as_answered(kept: bytes) -> msgspec.Raw:
    """A repeat of what answered nothing is answered an object."""
    return msgspec.Raw(b"{}" if kept == b"null" else kept)


def scope_of(actor: Actor, command: Command) -> Scope:
    """The key's scope is the user and the command."""
    assert command.idempotency_key is not None
    return Scope(actor.user_id, type(command).__name__, command.idempotency_key)


def digest_of(command: Command) -> bytes:
    """What a repeat's body is compared by."""
    return blake2b(codec.encode(command), digest_size=16).digest()


async def claim(
    context: Context, scope: Scope, digest: bytes, lasting: timedelta = CLAIM_LASTS
) -> bytes | Receipt:
    """What is kept of the first result, or the claim when this is the first.

    Raises ``idempotency_conflict``, or ``unavailable`` while the first is still at work.
    """
    loop = asyncio.get_running_loop()
    give_up = loop.time() + PATIENCE_SECONDS
    while loop.time() < give_up:
        now = whole_milliseconds(context.clock())
        earlier = await context.store.idempotency.claim(scope, digest, now, lasting)
        if earlier is None:
            return Receipt(scope, now)
        if earlier.digest != digest:
            raise DomainError(Code.IDEMPOTENCY_CONFLICT, "This key was used for another command before.")
        if earlier.result is not None:
            return earlier.result
        await asyncio.sleep(_PAUSE_SECONDS)
    raise unavailable("The first command under this key is still at work.")


K = TypeVar("K")
# Told what the command will have answered; the store is handed what keeps it.
Keeper = Callable[[object], Keep]

# A claim that is taken over cannot be kept any more, so that waiting longer would only delay the repeat.
_CLAIM_LASTS = timedelta(seconds=4)


def idempotent_commit(
    handler: Callable[[Context, Actor, C, Keeper], Awaitable[R]],
) -> Handler[C, R | msgspec.Raw]:
    """For commands that done again would come to something else: they make a row, or find none any more.

    The handler commits with what keeps its answer; a repeat is answered that. Raises ``idempotency_conflict`` when
    the key came with another body before.
    """

    async def commit(context: Context, actor: Actor, command: C, receipt: Receipt | None) -> R:
        def keep(answer: object) -> Keep:
            if receipt is None:
                return nothing
            return functools.partial(context.store.idempotency.keep_within, receipt, codec.encode(answer))

        return await handler(context, actor, command, keep)

    async def recall(context: Context, kept: bytes) -> msgspec.Raw:
        return as_answered(kept)

    @functools.wraps(handler)
    async def once(context: Context, actor: Actor, command: C) -> R | msgspec.Raw:
        return await _once_committing(context, actor, command, commit, recall)

    return once


def idempotent_booking(
    handler: Callable[[Context, Actor, C, Receipt | None], Awaitable[Booking]],
) -> Handler[C, BookingAnswer]:
    """The handler commits, with the receipt; from here the log and the parties are told, and the caller answered.

    A repeat answers the booking as it was committed first. Raises ``idempotency_conflict`` when the key came with
    another body before.
    """

    @functools.wraps(handler)
    async def once(context: Context, actor: Actor, command: C) -> BookingAnswer:
        booking = await _once_committing(context, actor, command, handler, _as_kept)
        told = await announce.settle(context, booking.id, booking.version)
        return told.get(booking.version) or await queries.booking_view(context, booking)

    return once


async def _once_committing(
    context: Context,
    actor: Actor,
    command: C,
    commit: Callable[[Context, Actor, C, Receipt | None], Awaitable[R]],
    recall: Callable[[Context, bytes], Awaitable[K]],
) -> R | K:
    # Nothing that came later on this socket may overtake.
    async with actor.turn:
        actor = replace(actor, turn=asyncio.Lock())
        if command.idempotency_key is None:
            return await commit(context, actor, command, None)
        claimed = await claim(context, scope_of(actor, command), digest_of(command), _CLAIM_LASTS)
        if isinstance(claimed, bytes):
            return await recall(context, claimed)
        try:
            return await commit(context, actor, command, claimed)
        except BaseException:
            await asyncio.shield(context.store.idempotency.release(claimed))
            raise


async def _as_kept(context: Context, kept: bytes) -> Booking:
    """As committed then, with the words people wrote as they stand now: those may have been erased."""
    booking = codec.decode(Booking, kept)
    current = await context.store.bookings.by_id(booking.id)
    if current is None:
        raise unavailable()
    reason = current.reason if booking.status == "cancelled" else None
    return msgspec.structs.replace(booking, note=current.note, reason=reason)
