"""argon2 in a bounded pool of threads, with a bounded queue before it."""

from __future__ import annotations

import asyncio
import base64
import os
import secrets
import unicodedata
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import Argon2Error, InvalidHashError

from domain.errors import unavailable
from store import command_budget

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Cost:
    """argon2id: rounds, memory in KiB, lanes. OWASP's floor is 2, 19456, 1."""

    time: int = 3
    memory: int = 64 * 1024
    lanes: int = 4


STANDARD = Cost()
# For tests: still argon2id, a thousandth of the work.
CHEAP = Cost(time=1, memory=64, lanes=1)


class Argon2Passwords:
    """At most ``threads`` hashes at a time, each with the cost's memory; ``waiting`` more may queue."""

    def __init__(self, cost: Cost = STANDARD, threads: int | None = None, waiting: int = 64) -> None:
        self._hasher = PasswordHasher(time_cost=cost.time, memory_cost=cost.memory, parallelism=cost.lanes)
        threads = threads or min(4, os.cpu_count() or 1)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="argon2")
        self._capacity = threads + waiting
        self._under_way = 0
        self._nobody = self._hasher.hash(secrets.token_hex(16))

    async def hash(self, password: str, salt: str | None = None) -> str:
        """Raises ``unavailable`` when too many wait."""
        chosen = None if salt is None else bytes.fromhex(salt)
        return await self._run(lambda: self._hasher.hash(_normal(password), salt=chosen))

    async def verify(self, hashed: str | None, password: str) -> bool:
        """Raises ``unavailable`` when too many wait."""
        fits = await self._run(lambda: self._verify(hashed or self._nobody, _normal(password)))
        return fits and hashed is not None

    async def hash_like(self, hashed: str | None, salt: str, password: str) -> str:
        """Raises ``unavailable`` when too many wait."""
        hasher, chosen = self._hasher, bytes.fromhex(salt)
        if hashed is not None:
            with suppress(InvalidHashError):
                hasher, chosen = PasswordHasher.from_parameters(extract_parameters(hashed)), _salt_of(hashed)
        return await self._run(lambda: hasher.hash(_normal(password), salt=chosen))

    def is_outdated(self, hashed: str) -> bool:
        return self._hasher.check_needs_rehash(hashed)

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _verify(self, hashed: str, password: bytes) -> bool:
        try:
            return self._hasher.verify(hashed, password)
        except (Argon2Error, InvalidHashError):
            return False

    async def _run(self, work: Callable[[], T]) -> T:
        if self._under_way >= self._capacity:
            raise unavailable("Too many sign-ins at once; try again.")
        loop, budget = asyncio.get_running_loop(), command_budget.current()

        def in_time() -> T:
            # Whoever waited too long for a thread has been answered.
            if budget is not None and budget.remaining() <= 0:
                raise unavailable()
            return work()

        self._under_way += 1
        future = self._pool.submit(in_time)
        # Counted until the thread is done, not until the caller loses interest.
        future.add_done_callback(lambda done: self._finished(loop, done))
        return await asyncio.wrap_future(future)

    def _finished(self, loop: asyncio.AbstractEventLoop, done: Future[T]) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(self._one_less)

    def _one_less(self) -> None:
        self._under_way -= 1


def _salt_of(hashed: str) -> bytes:
    # $argon2id$v=19$m=65536,t=3,p=4$salt$hash, in base64 without its padding.
    salt = hashed.split("$")[4]
    return base64.b64decode(salt + "=" * (-len(salt) % 4))


def _normal(password: str) -> bytes:
    # Keyboards differ in how they compose an accented letter; the password is the same.
    return unicodedata.normalize("NFKC", password).encode()
