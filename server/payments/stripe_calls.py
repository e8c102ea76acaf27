"""One call of Stripe's API: bounded in time, its errors in our terms, and made once however often it is asked for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import aiohttp
import structlog

from domain.errors import DomainError, unavailable
from domain.payments import StripeRefused
from store import command_budget
from store.fair_limiter import FairLimiter

if TYPE_CHECKING:
    import stripe

log = structlog.get_logger("stripe")

T = TypeVar("T")
# Calls of commands at a time, fewer than the client has connections: whoever asks much while Stripe is slow leaves some
# to the others, and all together some to durable work.
CALLS_AT_ONCE, CALLS_OF_NETWORK, CALLS_OF_ONE = 24, 16, 4
# A purchase makes four calls within its budget of 10 s.
CALL_SECONDS = 6.0
_AWAY = "Payments cannot be reached right now; try again."
# Of one intent; a fault of Stripe's that it keeps costs one.
_KEYS = 4


class StripeCalls:
    """``made`` and ``failed`` are counted for operators."""

    def __init__(self) -> None:
        self.made = 0
        self.failed = 0
        self._turns = FairLimiter(CALLS_OF_ONE, CALLS_AT_ONCE, _no_turn, CALLS_OF_NETWORK)

    async def make(
        self,
        kind: str,
        intent_id: str,
        create: Callable[[dict[str, Any]], Coroutine[Any, Any, Any]],
        made: Callable[[], Awaitable[Any]] | None = None,
    ) -> Any:
        """What follows from the intent, once. A fault of Stripe's own is kept as the answer to the key for a day,
        whether or not the work was done: then ``made`` looks for it, and without one it is asked for under the next
        key (what has no ``made`` may be there twice, and is used once)."""
        for number in range(_KEYS):
            try:
                return await self.call(create(_keyed(kind, intent_id, number)))
            except _Kept:
                found = None if made is None else await made()
                if found is not None:
                    return found
        raise unavailable(_AWAY)

    async def call(self, call: Coroutine[Any, Any, T]) -> T:
        """Raises ``unavailable`` when Stripe can't answer now, and ``StripeRefused`` for what it will never do."""
        import stripe

        try:
            async with self._turn():
                self.made += 1
                async with asyncio.timeout(max(0.0, min(CALL_SECONDS, command_budget.remaining()))):
                    return await call
        except (TimeoutError, aiohttp.ClientError, stripe.APIConnectionError) as error:
            self._note(error)
            raise unavailable(_AWAY) from error
        except stripe.StripeError as error:
            self._note(error)
            if _is_kept(error):
                raise _Kept from error
            if _later(error):
                raise _unavailable(error) from error
            if isinstance(error, stripe.AuthenticationError | stripe.PermissionError):
                # Ours to mend: nobody who buys is told which of our keys is wrong.
                raise unavailable() from error
            raise StripeRefused(error.code or "") from error
        finally:
            # Where it was not begun.
            call.close()

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        budget = command_budget.current()
        if budget is None or not budget.owner:
            yield
        else:
            async with self._turns.turn(budget.owner, max(0.0, budget.remaining()), budget.network):
                yield

    def _note(self, error: Exception) -> None:
        """Without the message, which may quote what was sent."""
        self.failed += 1
        status, code = getattr(error, "http_status", None), getattr(error, "code", None)
        log.warning("a call to Stripe failed", error=type(error).__name__, status=status, code=code)


def _no_turn(_: float) -> DomainError:
    return unavailable(_AWAY)


class _Kept(Exception):
    """A fault of Stripe's own that it repeats under the key."""


def _is_kept(error: stripe.StripeError) -> bool:
    replayed = any(
        name.lower() == "idempotent-replayed" and value == "true" for name, value in (error.headers or {}).items()
    )
    return replayed and error.http_status is not None and error.http_status >= 500


def _keyed(kind: str, intent_id: str, number: int) -> dict[str, Any]:
    return {"idempotency_key": f"spotter:{kind}:{intent_id}" + (f":{number}" if number else "")}


def _later(error: stripe.StripeError) -> bool:
    """Too many at once, the same key still at work, or a fault of Stripe's."""
    import stripe

    if isinstance(error, stripe.IdempotencyError):
        # Somebody else asks for the same at this moment, and saw another state; what comes of it is looked up.
        return True
    return error.http_status in (None, 409, 429) or error.http_status >= 500


def _unavailable(error: stripe.StripeError) -> DomainError:
    refused = unavailable(_AWAY)
    headers = error.headers or {}
    asked = next((value for name, value in headers.items() if name.lower() == "retry-after"), None)
    if asked is not None and asked.isdigit():
        refused.retry_after_ms = 1000 * max(1, min(int(asked), 60))
    return refused
