"""Rate limits of the REST surface: classes of limits, each counted by a key of the request.

A limit by caller counts every request, and so do the limits of addresses as such (``VISITORS``, ``ADDRESS``,
``FAILED_TOKENS``). A route's own by address is meant for commands that cost something, mail or a hash: it counts a
command that its handler took up, not a body that was refused.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from aiohttp import web

from domain.accounts import normalised_email
from domain.errors import rate_limited
from domain.networks import NETWORKS_OF_SITE, network_of, site_of
from handlers.access import Actor, Visitor

# Never the e-mail address alone: a stranger could use up what its owner needs. "address" is the network, and
# with it its site, which has as much as so many networks.
Key = Literal["caller", "address", "address+email", "session"]


class Limiter(Protocol):
    """Counts hits in moving windows; in this process or for the fleet."""

    async def wait_for(self, name: str, key: str, amount: int, seconds: int) -> float:
        """0 when there was room, else the seconds until there is."""

    async def look(self, name: str, key: str, amount: int, seconds: int) -> float:
        """The same, without taking a place."""

    async def left(self, name: str, key: str, amount: int, seconds: int) -> tuple[int, float]:
        """How many places are free, and the seconds until there is one more."""

    async def give_back(self, name: str, key: str, amount: int, seconds: int) -> None:
        """The place taken last."""

    def scaled(self, amount: int) -> int:
        """How many are allowed where a row says ``amount``."""


@dataclass(frozen=True, slots=True)
class Limit:
    """``amount`` in ``seconds``; ``caller`` is the user, or the address of a visitor."""

    amount: int
    seconds: int
    by: Key


@dataclass(frozen=True, slots=True)
class RateClass:
    name: str
    limits: tuple[Limit, ...]

    def policy(self, limit: Limit) -> str:
        """What the limit is called in headers and in what is published."""
        return f"{self.name}:{limit.by}"


_MINUTE, _HOUR = 60, 3600
# Everybody in a gym, or behind a carrier's address, looks like one: there is room for a few hundred people.
_MANY = 300
UPLOAD = RateClass("upload", (Limit(60, _MINUTE, "caller"),))
# A page of pictures is fetched at once.
DOWNLOAD = RateClass("download", (Limit(3000, _MINUTE, "caller"),))
GENERAL = RateClass("general", (Limit(600, _MINUTE, "caller"),))
REGISTER = RateClass("register", (Limit(_MANY, _HOUR, "address"), Limit(5, _HOUR, "address+email")))
VERIFY = RateClass("verify", (Limit(100, _MINUTE, "address"), Limit(20, 10 * _MINUTE, "address+email")))
RESEND = RateClass("resend", (Limit(_MANY, _HOUR, "address"), Limit(5, _HOUR, "address+email")))
LOGIN = RateClass("login", (Limit(100, _MINUTE, "address"), Limit(10, _MINUTE, "address+email")))
REFRESH = RateClass("refresh", (Limit(300, _MINUTE, "address"),))
FORGOT = RateClass("forgot", (Limit(_MANY, _HOUR, "address"), Limit(5, _HOUR, "address+email")))
RESET = RateClass("reset", (Limit(100, _MINUTE, "address"), Limit(20, 10 * _MINUTE, "address+email")))
RESET_TOKEN = RateClass("reset_token", (Limit(100, _MINUTE, "address"),))
# Of all that ask for one's password again, together: each try costs an argon2 verification, and a stolen phone must not
# guess its owner's password.
PASSWORD_CHECK = RateClass("password_check", (Limit(10, _MINUTE, "caller"),))
# A block writes to the pair's bookings, and holds its answer back for a moment.
BLOCKS = RateClass("blocks", (Limit(30, _MINUTE, "caller"),))
# An app registers its device when it starts.
DEVICES = RateClass("devices", (Limit(60, _MINUTE, "caller"),))
# One is made a day; the others are answered with it.
EXPORT = RateClass("export", (Limit(10, _MINUTE, "caller"),))
REPORTS = RateClass("reports", (Limit(20, _HOUR, "caller"),))


# Taken before anything is read, of all who show no token; they keep nobody out whose token is good.
VISITORS = RateClass("visitors", (Limit(12_000, _MINUTE, "address"),))
# Taken before authentication reads anything, by tokens that we signed; all users of an address together.
ADDRESS = RateClass("address", (Limit(12_000, _MINUTE, "address"),))
# Tokens that nobody signed: they cost no read, and keep nobody out whose token is good. Expired ones do not count.
FAILED_TOKENS = RateClass("failed_tokens", (Limit(600, _MINUTE, "address"),))
# Each token of a session that has ended costs two reads; it is refused by its session, whose owner's others go on.
FAILED_SESSION = RateClass("failed_session", (Limit(60, _MINUTE, "session"),))
# A program asks for a feed every 15 minutes at most; services that do it for many share addresses.
CALENDAR = RateClass("calendar", (Limit(120, _MINUTE, "caller"),))
# Each asks Stripe several times, whose own limits are everybody's.
PURCHASES = RateClass("purchases", (Limit(30, _MINUTE, "caller"),))
# Stripe tells from few addresses, at times much at once; what it is refused it tells again.
WEBHOOKS = RateClass("webhooks", (Limit(6000, _MINUTE, "caller"),))
# The slots of the largest schedule take some 20 ms of CPU and 1.2 MB.
SLOTS = RateClass("slots", (Limit(120, _MINUTE, "caller"),))


@dataclass(frozen=True, slots=True)
class Counted:
    """A limit and what a request is counted by. ``shown``: headers name it."""

    policy: str
    key: str
    limit: Limit
    shown: bool = True


# What the headers of the answer tell of.
COUNTED = web.RequestKey("counted", list[Counted])


class Counting:
    """The limits of one request, in the order in which they come to be known."""

    def __init__(self, limiter: Limiter, request: web.Request, caller: Actor | Visitor) -> None:
        self._limiter = limiter
        self._request = request
        self._caller = caller
        self._taken: list[Counted] = []

    async def require_room(self, rate: RateClass, session_id: str = "") -> None:
        """Raises ``rate_limited`` when all that ``take`` may take is taken; takes nothing."""
        for one in self._of(rate, rate.limits, session_id=session_id):
            await self._look(one)

    async def take(self, rate: RateClass, session_id: str = "") -> None:
        """Raises ``rate_limited`` with the time to wait. ``session_id`` for limits by session."""
        for one in self._of(rate, rate.limits, session_id=session_id):
            self._refuse(one, await self._limiter.wait_for(*_asked(one)))

    async def begin(self, rate: RateClass) -> None:
        """Before the command is known: every request counts for its caller, none yet for its address."""
        for one in self._of(rate, [limit for limit in rate.limits if limit.by != "address+email"]):
            self._show(one)
            if one.limit.by == "address":
                await self._look(one)
            else:
                self._refuse(one, await self._limiter.wait_for(*_asked(one)))

    async def count(self, rate: RateClass, email: str | None) -> None:
        """The command is known and will cost something. What one limit refuses counts against no other."""
        known = ("address",) if email is None else ("address", "address+email")
        found = self._of(rate, [limit for limit in rate.limits if limit.by in known], email)
        for one in found:
            self._show(one)
            await self._look(one)
        for one in found:
            self._refuse(one, await self._limiter.wait_for(*_asked(one)))
            self._taken.append(one)

    async def give_back(self) -> None:
        """It was refused before it cost anything."""
        while self._taken:
            await self._limiter.give_back(*_asked(self._taken.pop()))

    def _of(
        self, rate: RateClass, limits: Sequence[Limit], email: str | None = None, session_id: str = ""
    ) -> list[Counted]:
        found: list[Counted] = []
        for limit in limits:
            if limit.by == "session":
                found.append(Counted(rate.policy(limit), session_id, limit))
                continue
            network = network_of(self._caller.address)
            key = _key(limit.by, self._caller, network, email)
            found.append(Counted(rate.policy(limit), key, limit))
            # After the network's own, which may refuse without a place of its neighbours' being taken.
            if (wider := _key(limit.by, self._caller, site_of(network), email)) != key:
                of_site = replace(limit, amount=NETWORKS_OF_SITE * limit.amount)
                found.append(Counted(rate.policy(limit), wider, of_site, shown=False))
        return found

    def _show(self, one: Counted) -> None:
        shown = self._request.setdefault(COUNTED, [])
        if one.shown and one not in shown:
            shown.append(one)

    async def _look(self, one: Counted) -> None:
        self._refuse(one, await self._limiter.look(*_asked(one)))

    def _refuse(self, one: Counted, wait: float) -> None:
        if wait > 0:
            self._show(one)
            raise rate_limited("Too many requests", wait * 1000)


def _asked(one: Counted) -> tuple[str, str, int, int]:
    return one.policy, one.key, one.limit.amount, one.limit.seconds


def _key(by: Key, caller: Actor | Visitor, network: str, email: str | None) -> str:
    if by == "caller":
        return caller.user_id if isinstance(caller, Actor) else network
    if by == "address":
        return network
    return f"{network} {normalised_email(email or '')}"


async def limit_headers(limiter: Limiter, request: web.Request) -> dict[str, str]:
    """``RateLimit-Policy`` and ``RateLimit`` (draft-ietf-httpapi-ratelimit-headers-10): of each limit that the request
    was counted by its quota and window, and how much is left for how many seconds."""
    policies, states = [], []
    for one in request.get(COUNTED, ()):
        left, seconds = await limiter.left(*_asked(one))
        policies.append(f'"{one.policy}";q={limiter.scaled(one.limit.amount)};w={one.limit.seconds}')
        states.append(f'"{one.policy}";r={left};t={math.ceil(seconds)}')
    return {"RateLimit-Policy": ", ".join(policies), "RateLimit": ", ".join(states)} if policies else {}
