"""Commands that may carry an idempotency key: a repeat answers what the first one was answered."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from hashlib import blake2b
from typing import Protocol, TypeVar

import msgspec

from domain import wire
from domain.errors import Code, DomainError
from domain.instants import whole_milliseconds
from handlers.actor import Actor
from handlers.context import Context
from store.idempotency import FirstResult


class Keyed(Protocol):
    @property
    def idempotency_key(self) -> str | None: ...


C = TypeVar("C", bound=Keyed)
R = TypeVar("R")


def idempotent(
    handler: Callable[[Context, Actor, C], Awaitable[R]],
) -> Callable[[Context, Actor, C], Awaitable[R | msgspec.Raw]]:
    """For commands that set a state, so that two repeats at the very same moment do no harm either.

    Only successes are remembered. Raises ``idempotency_conflict`` when the key came with another body before.
    """

    @functools.wraps(handler)
    async def once(context: Context, actor: Actor, command: C) -> R | msgspec.Raw:
        key = command.idempotency_key
        if key is None:
            return await handler(context, actor, command)
        kept, name = context.store.idempotency, type(command).__name__
        digest = blake2b(wire.encode(command), digest_size=16).digest()
        first = await kept.first(actor.user_id, name, key)
        if first is None:
            result = wire.encode(await handler(context, actor, command))
            now = whole_milliseconds(context.clock())
            first = await kept.remember(actor.user_id, name, key, FirstResult(digest, result), now)
        if first.digest != digest:
            raise DomainError(Code.IDEMPOTENCY_CONFLICT, "This key was used for another command before.")
        return msgspec.Raw(b"{}" if first.result == b"null" else first.result)

    return once
