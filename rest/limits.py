"""Rate limits of the REST surface: classes of limits, each counted by a key of the request."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, Protocol

from domain.accounts import normalised_email
from domain.errors import Code, DomainError
from domain.networks import network_of
from handlers.access import Actor, Visitor

# Never the e-mail address alone: a stranger could use up what its owner needs.
Key = Literal["caller", "address", "address+email", "session"]


class Limiter(Protocol):
    """Counts hits in moving windows; in this process or for the fleet."""

    async def wait_for(self, name: str, key: str, amount: int, seconds: int) -> float:
        """0 when there was room, else the seconds until there is."""

    async def look(self, name: str, key: str, amount: int, seconds: int) -> float:
        """The same, without taking a place."""


@dataclass(frozen=True, slots=True)
class Limit:
    """``amount`` in ``seconds``; ``caller`` is the user, or the address of a visitor."""

    amount: int
    seconds: int
    by: Key

    @property
    def needs_email(self) -> bool:
        return self.by == "address+email"


@dataclass(frozen=True, slots=True)
class RateClass:
    name: str
    limits: tuple[Limit, ...]


_MINUTE, _HOUR = 60, 3600
UPLOAD = RateClass("upload", (Limit(60, _MINUTE, "caller"),))
# A page of pictures is fetched at once.
DOWNLOAD = RateClass("download", (Limit(3000, _MINUTE, "caller"),))
GENERAL = RateClass("general", (Limit(600, _MINUTE, "caller"),))
REGISTER = RateClass("register", (Limit(10, _HOUR, "address"), Limit(5, _HOUR, "address+email")))
VERIFY = RateClass("verify", (Limit(100, _MINUTE, "address"), Limit(20, 10 * _MINUTE, "address+email")))
RESEND = RateClass("resend", (Limit(20, _HOUR, "address"), Limit(5, _HOUR, "address+email")))
LOGIN = RateClass("login", (Limit(100, _MINUTE, "address"), Limit(10, _MINUTE, "address+email")))
REFRESH = RateClass("refresh", (Limit(300, _MINUTE, "address"),))
FORGOT = RateClass("forgot", (Limit(20, _HOUR, "address"), Limit(5, _HOUR, "address+email")))
RESET = RateClass("reset", (Limit(100, _MINUTE, "address"), Limit(20, 10 * _MINUTE, "address+email")))
RESET_TOKEN = RateClass("reset_token", (Limit(20, _MINUTE, "address"),))
# Each try costs an argon2 verification, and a stolen phone must not guess its owner's password.
CHANGE_PASSWORD = RateClass("change_password", (Limit(10, _MINUTE, "caller"),))


# Taken before authentication reads anything, by tokens that we signed; all users of an address together.
ADDRESS = RateClass("address", (Limit(12_000, _MINUTE, "address"),))
# Tokens that nobody signed: they cost no read, and keep nobody out whose token is good. Expired ones do not count.
FAILED_TOKENS = RateClass("failed_tokens", (Limit(600, _MINUTE, "address"),))
# Each token of a session that has ended costs two reads; it is refused by its session, whose owner's others go on.
FAILED_SESSION = RateClass("failed_session", (Limit(60, _MINUTE, "session"),))
# A program asks for a feed every 15 minutes at most; services that do it for many share addresses.
CALENDAR = RateClass("calendar", (Limit(120, _MINUTE, "caller"),))
# The slots of the largest schedule take some 20 ms of CPU and 1.2 MB.
SLOTS = RateClass("slots", (Limit(120, _MINUTE, "caller"),))


async def require_room(limiter: Limiter, rate: RateClass, key: str) -> None:
    """Raises ``rate_limited`` when all that ``take_for`` may take for ``key`` is taken; takes nothing."""
    for limit in rate.limits:
        _refuse(await limiter.look(f"{rate.name}:{limit.by}", key, limit.amount, limit.seconds))


async def take_for(limiter: Limiter, rate: RateClass, key: str) -> None:
    """As ``take``, of what is neither a caller's nor an address's own."""
    for limit in rate.limits:
        _refuse(await limiter.wait_for(f"{rate.name}:{limit.by}", key, limit.amount, limit.seconds))


def _refuse(wait: float) -> None:
    if wait > 0:
        raise DomainError(
            Code.RATE_LIMITED, "Too many requests; wait a little.", retry_after_ms=max(1, round(wait * 1000))
        )


async def take(limiter: Limiter, rate: RateClass, caller: Actor | Visitor, email: str | None = None) -> None:
    """Count a request: against the limits by caller and address, or with an e-mail address against the others.

    Raises ``rate_limited`` with the time to wait.
    """
    for limit in _counted(rate, email is not None):
        key = _key(limit.by, caller, email)
        _refuse(await limiter.wait_for(f"{rate.name}:{limit.by}", key, limit.amount, limit.seconds))


def _counted(rate: RateClass, with_email: bool) -> Iterable[Limit]:
    return (limit for limit in rate.limits if limit.needs_email == with_email)


def _key(by: Key, caller: Actor | Visitor, email: str | None) -> str:
    network = network_of(caller.address)
    if by == "caller":
        return caller.user_id if isinstance(caller, Actor) else network
    if by == "address":
        return network
    return f"{network} {normalised_email(email or '')}"
