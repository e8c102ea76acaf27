"""Commands with an idempotency key: a repeat answers what the first one was answered, and does nothing."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from hashlib import blake2b
from typing import Any, TypeVar

import msgspec

from domain import wire
from domain.answers import MessageAnswer
from domain.commands import Command
from domain.errors import Code, DomainError, unavailable
from domain.instants import whole_milliseconds
from handlers import access, views
from handlers.actor import Actor
from handlers.context import Context
from store.idempotency import CLAIM_LASTS, Receipt, Scope

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

    return _once(handler, wire.encode, recall)


def idempotent_message(handler: Handler[C, MessageAnswer]) -> Handler[C, MessageAnswer]:
    """For commands that answer a message: a repeat is answered with that message as it now stands."""

    async def recall(context: Context, actor: Actor, kept: bytes) -> MessageAnswer:
        _, record = await access.message(context, actor, wire.decode(_Named, kept).id)
        (message,) = await views.seen_messages(context, [record])
        return MessageAnswer(message=message)

    return _once(handler, lambda answer: wire.encode(_Named(answer.message.id)), recall)


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
    return blake2b(wire.encode(command), digest_size=16).digest()


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
