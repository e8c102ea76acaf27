"""Driver errors as domain errors, and what is tried again."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, ParamSpec, TypeVar

from pymongo.errors import (
    BulkWriteError,
    ConnectionFailure,
    DuplicateKeyError,
    ExecutionTimeout,
    InvalidOperation,
    OperationFailure,
    PyMongoError,
    WriteConcernError,
)

from domain.errors import DomainError, unavailable
from store.command_budget import limited, remaining

P = ParamSpec("P")
R = TypeVar("R")
C = TypeVar("C", bound=type)

# Of what is decided anew: more often in a row nobody is beaten to it but by a fault of ours.
_MOST_DECISIONS = 10

# Interrupted, shut down, stepped down, not enough data-bearing nodes, lock time-out, write conflict:
# the server's words for "not now".
NOT_NOW = frozenset({24, 50, 64, 91, 100, 112, 189, 202, 225, 246, 262, 290, 10107, 11600, 11602, 13435, 13436})
_CLOSED = "after close"
# A unique index refused the write.
DUPLICATE_KEY = 11000


def is_transient(error: BaseException) -> bool:
    """Whether a repeat of the operation may succeed, because only the deployment was at fault."""
    if isinstance(error, ConnectionFailure | ExecutionTimeout | WriteConcernError):
        return True
    if isinstance(error, InvalidOperation):
        # This node is ending. Any other of this kind is a fault of ours; the driver tells them apart by words alone.
        return str(error).endswith(_CLOSED)
    return isinstance(error, OperationFailure) and (
        error.code in NOT_NOW or error.has_error_label("TransientTransactionError")
    )


def to_domain(error: PyMongoError) -> DomainError | None:
    """``unavailable`` for a fault of the deployment, nothing for a fault of ours."""
    return unavailable() if is_transient(error) else None


async def repeat_unanswered(work: Callable[[], Awaitable[R]], seconds: float = 1.0) -> R:
    """What several wait for, and may be done twice: after ``seconds``, and twice as long each time, it is tried by
    another connection, in case this one has stalled. Of a server that is only slow the later tries have the time.

    Raises what the last one raised, when the budget has run out, and at once whatever is no time-out.
    """
    while True:
        try:
            with limited(seconds):
                return await work()
        except (PyMongoError, DomainError) as error:
            if remaining() <= 0 or not _has_timed_out(error):
                raise
        seconds *= 2


def _has_timed_out(error: BaseException) -> bool:
    cause = error.__cause__ if isinstance(error, DomainError) else error
    return isinstance(cause, PyMongoError) and cause.timeout


class ChangedMeanwhile(Exception):
    """What was read before the decision does not hold any more: somebody else has committed first."""


def decided_anew(decide: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
    """Decorator of what reads, decides and commits if nothing has changed: all of it again for each
    ``ChangedMeanwhile``. Raises ``unavailable`` after ten of them."""

    @functools.wraps(decide)
    async def until_committed(*args: P.args, **kwargs: P.kwargs) -> R:
        for _ in range(_MOST_DECISIONS):
            with suppress(ChangedMeanwhile):
                return await decide(*args, **kwargs)
        raise unavailable()

    return until_committed


def duplicate_of(error: DuplicateKeyError | BulkWriteError) -> dict[str, Any]:
    """The key pattern of the unique index that refused a write."""
    details: dict[str, Any] = dict(error.details or {})
    if "writeErrors" in details:
        details = details["writeErrors"][0]
    pattern: dict[str, Any] = dict(details.get("keyPattern") or {})
    return pattern


def _translating(method: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
    @functools.wraps(method)
    async def translated(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return await method(*args, **kwargs)
        except PyMongoError as error:
            # Inside a transaction the driver's own error has to reach the retry loop.
            if kwargs.get("session") is not None:
                raise
            known = to_domain(error)
            if known is None:
                raise
            raise known from error

    return translated


def repository(cls: C) -> C:
    """Class decorator: every public coroutine method raises domain errors for the deployment's faults."""
    for name, member in vars(cls).copy().items():
        if inspect.iscoroutinefunction(member) and not name.startswith("_"):
            setattr(cls, name, _translating(member))
    return cls
