"""Commands with an idempotency key: a repeat answers what the first one was answered, and does nothing.

Where doing it again would come to something else, the first result is kept in the very commit that it describes
(``idempotent_commit``): a server that dies right after the commit leaves no doubt.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, TypeVar

import msgspec

from domain.errors import Code, DomainError, unavailable
from domain.wire import codec
from domain.wire.base import Command
from handlers.access import Actor
from handlers.context import ReadContext
from handlers.request_digests import asked_by, scope_of
from store.command_budget import BUDGET_SECONDS, remaining
from store.concurrency import detached
from store.idempotency import CLAIM_LASTS, Asked, Claim, Keep, Scope, StoredResult, nothing

X = TypeVar("X", bound=ReadContext)
C = TypeVar("C", bound=Command)
R = TypeVar("R")
K = TypeVar("K")
# Given what the command will have answered; the store is handed what keeps it.
KeepResult = Callable[[object], Keep]
Handler = Callable[[X, Actor, C], Awaitable[R]]

# How long a repeat waits for a first one that is still at work.
TIMEOUT_SECONDS = 8.0
_PAUSE_SECONDS = 0.05
# So that a repeat of what was refused need not wait for its key.
_GIVEN_BACK_SECONDS = 1.0
_RENEWED_EACH_SECONDS = CLAIM_LASTS.total_seconds() / 4


def idempotent(name: str) -> Callable[[Handler[X, C, R]], Handler[X, C, R | msgspec.Raw]]:
    """The first result itself is answered to a repeat. ``name``: the key's scope, a socket event where there is one.

    For commands that come to the same when they are done again: a server that dies before it has kept the result
    lets the repeat do so. Raises ``idempotency_conflict`` when the key came with another body before. Only successes
    are remembered.
    """

    async def recall(context: ReadContext, actor: Actor, stored: StoredResult) -> msgspec.Raw:
        return as_answered(stored)

    def decorate(handler: Handler[X, C, R]) -> Handler[X, C, R | msgspec.Raw]:
        return kept_afterwards(name, handler, codec.encode, 1, recall)

    return decorate


def kept_afterwards(
    name: str,
    handler: Handler[X, C, R],
    keep: Callable[[R], bytes],
    version: int,
    recall: Callable[[X, Actor, StoredResult], Awaitable[Any]],
) -> Handler[X, C, Any]:
    """``keep`` makes what is stored of the answer, after the work; ``recall`` makes a repeat's answer of it."""

    async def keyed(context: X, actor: Actor, command: C, key: str) -> Any:
        # Nothing that came later on this socket may overtake while the key is looked up.
        async with actor.submit_lock:
            scope = scope_of(actor.user_id, name, key)
            claimed = await claim(context, scope, asked_by(name, command))
            if isinstance(claimed, StoredResult):
                return await recall(context, actor, claimed)
            async with held(context, claimed):
                answer = await handler(context, replace(actor, submit_lock=asyncio.Lock()), command)
            await context.store.idempotency.keep(claimed, keep(answer), version)
            return answer

    @functools.wraps(handler)
    def once(context: X, actor: Actor, command: C) -> Awaitable[Any]:
        if command.idempotency_key is None:
            return handler(context, actor, command)
        return keyed(context, actor, command, command.idempotency_key)

    return once


def as_answered(stored: StoredResult) -> msgspec.Raw:
    """A repeat of what answered nothing is answered an object."""
    assert stored.result is not None
    return msgspec.Raw(b"{}" if stored.result == b"null" else stored.result)


@asynccontextmanager
async def held(context: ReadContext, claimed: Claim) -> AsyncIterator[None]:
    """Renewed while this node works, so that others wait for it however slow it is, and not long if it dies.

    Given back when the work fails.
    """
    renewing = asyncio.create_task(_renew(context, claimed))
    try:
        yield
    except BaseException:
        await release(context, claimed)
        raise
    finally:
        renewing.cancel()


async def claimed_once(
    context: ReadContext,
    scope: Scope,
    asked: Asked,
    begin: Callable[[Claim], Awaitable[R]],
    recall: Callable[[StoredResult], Awaitable[R]],
) -> R:
    """What ``begin`` does while the claim is held, or what ``recall`` makes of the first result."""
    claimed = await claim(context, scope, asked)
    if isinstance(claimed, StoredResult):
        return await recall(claimed)
    async with held(context, claimed):
        return await begin(claimed)


async def begun_once(
    name: str,
    context: X,
    actor: Actor,
    command: C,
    begin: Callable[[Claim | None], Awaitable[R]],
    find: Callable[[str], Awaitable[R | None]],
) -> R:
    """What ``begin`` commits under its claim, or what ``find`` has under the id that was kept of it: for work that
    goes on after its commit, and that a repeat goes on with."""
    if command.idempotency_key is None:
        return await begin(None)

    async def recall(stored: StoredResult) -> R:
        assert stored.result is not None
        found = await find(stored.result.decode())
        if found is None:
            raise unavailable()
        return found

    scope = scope_of(actor.user_id, name, command.idempotency_key)
    return await claimed_once(context, scope, asked_by(name, command), begin, recall)


async def _renew(context: ReadContext, claimed: Claim) -> None:
    while True:
        await asyncio.sleep(_RENEWED_EACH_SECONDS)
        try:
            await context.store.idempotency.renew(claimed)
        except DomainError:
            # MongoDB is away: for whoever would take the claim over as well.
            continue


async def claim(context: ReadContext, scope: Scope, asked: Asked) -> Claim | StoredResult:
    """The first result, or the claim when this is the first.

    Raises ``idempotency_conflict``, or ``unavailable`` while the first is still at work.
    """
    loop = asyncio.get_running_loop()
    give_up = loop.time() + min(TIMEOUT_SECONDS, remaining())
    while loop.time() < give_up:
        found = await context.store.idempotency.claim(scope, asked, context.now())
        if isinstance(found, Claim):
            return found
        if not found.same:
            raise DomainError(Code.IDEMPOTENCY_CONFLICT, "This key was used for another command before.")
        if found.result is not None:
            return found
        await asyncio.sleep(_PAUSE_SECONDS)
    raise unavailable("The first command under this key is still at work.")


async def release(context: ReadContext, claimed: Claim) -> None:
    """Give a claim back after a failure. It goes on by itself when the caller leaves or it takes long: the failure may
    be that MongoDB does not answer. A claim that could not be given back runs out."""
    giving_back = detached(context.store.idempotency.release(claimed), BUDGET_SECONDS)
    await asyncio.wait([giving_back], timeout=max(0.0, min(remaining(), _GIVEN_BACK_SECONDS)))


def idempotent_commit(
    name: str,
) -> Callable[[Callable[[X, Actor, C, KeepResult], Awaitable[R]]], Handler[X, C, R | msgspec.Raw]]:
    """For commands that done again would come to something else: they make a row, or find none any more.

    The handler commits with what keeps its answer; a repeat is answered that. Raises ``idempotency_conflict`` when
    the key came with another body before. ``name``: the key's scope.
    """

    async def recall(context: ReadContext, stored: StoredResult) -> msgspec.Raw:
        return as_answered(stored)

    def decorate(handler: Callable[[X, Actor, C, KeepResult], Awaitable[R]]) -> Handler[X, C, R | msgspec.Raw]:
        async def commit(context: X, actor: Actor, command: C, claimed: Claim | None) -> R:
            def keep(answer: object) -> Keep:
                if claimed is None:
                    return nothing
                return functools.partial(context.store.idempotency.keep_within, claimed, codec.encode(answer))

            return await handler(context, actor, command, keep)

        @functools.wraps(handler)
        async def once(context: X, actor: Actor, command: C) -> R | msgspec.Raw:
            return await committed_once(name, context, actor, command, commit, recall)

        return once

    return decorate


async def committed_once(
    name: str,
    context: X,
    actor: Actor,
    command: C,
    commit: Callable[[X, Actor, C, Claim | None], Awaitable[R]],
    recall: Callable[[X, StoredResult], Awaitable[K]],
) -> R | K:
    """What ``commit`` does under its claim, or what ``recall`` makes of the stored result.

    The claim is not renewed: one that is taken over cannot be kept any more, and with it nothing is committed.
    """
    # Nothing that came later on this socket may overtake.
    async with actor.submit_lock:
        actor = replace(actor, submit_lock=asyncio.Lock())
        if command.idempotency_key is None:
            return await commit(context, actor, command, None)
        scope = scope_of(actor.user_id, name, command.idempotency_key)
        claimed = await claim(context, scope, asked_by(name, command))
        if isinstance(claimed, StoredResult):
            return await recall(context, claimed)
        try:
            return await commit(context, actor, command, claimed)
        except BaseException:
            await release(context, claimed)
            raise
