"""Whether addresses differ in the time of a public account route: Mann-Whitney over alternated pairs.

    python -m bench.enumeration [--pairs 500] [--route forgot-password]

One real process on a MongoDB of its own. Each round asks once about an address of each kind (new addresses where the
route changes them), in an order drawn anew, one request at a time; p above 0.01 for every pair of kinds is the aim. A
round of which one answer is 503, the machine being busy, is made again with new addresses and counts for none.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import math
import random
import secrets
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiohttp
from bson import ObjectId

from bench.contestants import ROOT
from domain.proofs import CODE_LIFETIME, Registration
from domain.sessions import UNKNOWN_DEVICE
from server import embedded
from server.app import utc_now
from server.security.passwords import STANDARD, Argon2Passwords
from server.security.secrets import ServerSecrets
from server.security.tokens import AccessTokens
from store.database import Database
from store.store import Store
from tests.harness.nodes import SECRET
from tests.harness.people import People
from tests.together.processes import Served, served

KINDS = ("unknown", "pending", "verified")
# "+": whoever asks has registered the address before, and holds that token; without, a token of nobody's.
ROUTES = (
    "register", "verify", "verify+", "resend-code", "resend-code+", "login", "forgot-password", "verify-reset-code",
    "reset-password",
)  # fmt: skip
PASSWORD = "correct horse battery"
# Connections, caches and plans settle.
_WARM_UP = 20
# Each address is asked about so often: what a document has gathered is the same for every kind.
_PER_ADDRESS = 4
# More rounds than this without time, and there is nothing to measure.
_MOST_REPEATED = 1000


def mann_whitney(first: Sequence[float], second: Sequence[float]) -> float:
    """Two-sided p that both are drawn alike: normal approximation, with ties and continuity corrected for."""
    merged = sorted((value, which) for which, values in enumerate((first, second)) for value in values)
    ranks, ties, total = 0.0, 0.0, len(merged)
    place = 0
    for _, group in itertools.groupby(merged, key=lambda one: one[0]):
        which = [one[1] for one in group]
        ranks += which.count(0) * (place + (len(which) + 1) / 2)
        ties += len(which) ** 3 - len(which)
        place += len(which)
    u = ranks - len(first) * (len(first) + 1) / 2
    product = len(first) * len(second)
    variance = product / 12 * (total + 1 - ties / (total * (total - 1)))
    if variance <= 0:
        return 1.0
    distance = max(0.0, abs(u - product / 2) - 0.5)
    return math.erfc(distance / math.sqrt(2 * variance))


class Subject:
    """An address of a kind, with what whoever asks about it holds."""

    def __init__(self, email: str, user_id: str, token: str) -> None:
        self.email, self.user_id, self.token = email, user_id, token

    def body(self, route: str) -> dict[str, Any]:
        return {
            "register": {"email": self.email, "password": PASSWORD, "role": "client", "name": "Ann"},
            "verify": {"email": self.email, "code": "000000", "registrationToken": self.token},
            "resend-code": {"email": self.email, "registrationToken": self.token},
            "login": {"email": self.email, "password": "not the password"},
            "forgot-password": {"email": self.email},
            "verify-reset-code": {"email": self.email, "code": "000000"},
            "reset-password": {"resetToken": f"{self.user_id}.nonsense", "password": PASSWORD},
        }[route.rstrip("+")]


class Busy(Exception):
    """The node had no time."""


class Laboratory:
    def __init__(self, node: Served, http: aiohttp.ClientSession, database: Database, hashed: str) -> None:
        self._node, self._http, self._database, self._hashed = node, http, database, hashed
        self._store, self._secrets = Store(database), ServerSecrets(SECRET)
        self._people = People(self._store, AccessTokens(SECRET), utc_now)
        self.repeated = 0

    async def ask(self, route: str, body: dict[str, Any]) -> float:
        """Seconds to the answer."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        async with self._http.post(f"{self._node.url}/v1/auth/{route.rstrip('+')}", json=body) as answer:
            said = await answer.read()
            took = loop.time() - began
        if answer.status == 503:
            raise Busy
        assert answer.status < 500, said
        assert answer.status != 429, said
        return took

    async def subject(self, kind: str, *, holds: bool) -> Subject:
        if kind == "verified":
            person = await self._people.make()
            email, user_id = person.email, person.id
            users = self._database.collection("users")
            await users.update_one({"_id": ObjectId(user_id)}, {"$set": {"password": self._hashed}})
        else:
            email, user_id = f"{secrets.token_hex(6)}@people.test", str(ObjectId())
        token = "no token"
        if kind == "pending":
            await self._register(email)
        if holds:
            token = await self._register(email)
        return Subject(email, user_id, token)

    async def _register(self, email: str) -> str:
        """As the route would: without its hashing, which takes most of the time of a run."""
        token, now = secrets.token_urlsafe(32), utc_now()
        registration = Registration(
            id=self._secrets.keyed_hash("registration", token),
            email=email,
            nonce=self._secrets.random(),
            expires_at=now + CODE_LIFETIME,
            password=self._hashed,
            role="client",
            name="Ann",
            time_zone="UTC",
            device=UNKNOWN_DEVICE,
            created_at=now,
        )
        await self._store.registrations.insert(registration)
        return token

    async def measure(self, route: str, pairs: int) -> dict[str, list[float]]:
        times: dict[str, list[float]] = {kind: [] for kind in KINDS}
        subjects: dict[str, Subject] = {}
        asked = 0
        number = -_WARM_UP
        while number < pairs:
            try:
                # What is registered once is unknown no more.
                if not subjects or route == "register" or asked == _PER_ADDRESS:
                    made = [self.subject(kind, holds=route.endswith("+")) for kind in KINDS]
                    subjects, asked = dict(zip(KINDS, await asyncio.gather(*made), strict=True)), 0
                took = {kind: await self._timed(route, subjects[kind]) for kind in random.sample(KINDS, len(KINDS))}
            except Busy:
                subjects = {}
                self.repeated += 1
                if self.repeated > _MOST_REPEATED:
                    raise
                continue
            asked += 1
            number += 1
            if number > 0:
                for kind, seconds in took.items():
                    times[kind].append(seconds)
        return times

    async def _timed(self, route: str, subject: Subject) -> float:
        return await self.ask(route, subject.body(route))


def report(route: str, times: dict[str, list[float]]) -> bool:
    medians = "".join(f"{statistics.median(times[kind]) * 1000:>10.2f}" for kind in KINDS)
    pairs = [mann_whitney(times[one], times[other]) for one, other in itertools.combinations(KINDS, 2)]
    print(f"{route:<20}{medians}" + "".join(f"{p:>12.3g}" for p in pairs), flush=True)
    return min(pairs) > 0.01


async def measure(pairs: int, routes: Sequence[str], data: Path) -> bool:
    apart = ("unkn./pend.", "unkn./ver.", "pend./ver.")
    print(f"{'median ms':<20}" + "".join(f"{kind:>10}" for kind in KINDS) + "".join(f"{one:>12}" for one in apart))
    passwords = Argon2Passwords(STANDARD)
    async with embedded.servers(data) as urls, aiohttp.ClientSession() as http:
        assert urls.mongo_url is not None
        assert urls.redis_url is not None
        async with served(urls.mongo_url, urls.redis_url, data / "node", RATE_LIMIT_SCALE="1000000") as node:
            assert node.process.stdout is not None
            # The mails are printed there; a full pipe would stop the process.
            drain = asyncio.create_task(node.process.stdout.read())
            database = Database(urls.mongo_url)
            laboratory = Laboratory(node, http, database, await passwords.hash(PASSWORD))
            alike = [report(route, await laboratory.measure(route, pairs)) for route in routes]
            if laboratory.repeated:
                print(f"{laboratory.repeated} rounds were made again: the node was busy")
            database.close()
            drain.cancel()
    passwords.close()
    return all(alike)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.enumeration", description=__doc__)
    parser.add_argument("--pairs", type=int, default=500)
    parser.add_argument("--route", choices=ROUTES, action="append")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=ROOT, prefix=".bench-") as data:
        alike = asyncio.run(measure(chosen.pairs, chosen.route or ROUTES, Path(data)))
    raise SystemExit(0 if alike else 1)


if __name__ == "__main__":
    main()
