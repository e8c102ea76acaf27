"""argon2 in a bounded pool of threads, with a bounded queue before it that is fair by network."""

from __future__ import annotations

import base64
import os
import secrets
import unicodedata
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import Argon2Error, InvalidHashError

from server.security.hash_queue import HashQueue
from server.security.strength import weakness


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
        self._queue = HashQueue(threads, waiting)
        self._nobody = self._hasher.hash(secrets.token_hex(16))

    async def hash(self, password: str, salt: str | None = None) -> str:
        """Raises as ``HashQueue.run`` does."""
        chosen = None if salt is None else bytes.fromhex(salt)
        return await self._queue.run(lambda: self._hasher.hash(_normal(password), salt=chosen))

    async def verify(self, hashed: str | None, password: str) -> bool:
        """Raises as ``HashQueue.run`` does."""
        fits = await self._queue.run(lambda: self._verify(hashed or self._nobody, _normal(password)))
        return fits and hashed is not None

    async def hash_like(self, hashed: str | None, salt: str, password: str) -> str:
        """Raises as ``HashQueue.run`` does."""
        hasher, chosen = self._hasher, bytes.fromhex(salt)
        if hashed is not None:
            with suppress(InvalidHashError):
                hasher, chosen = PasswordHasher.from_parameters(extract_parameters(hashed)), _salt_of(hashed)
        return await self._queue.run(lambda: hasher.hash(_normal(password), salt=chosen))

    async def weakness(self, password: str, own: Sequence[str] = ()) -> str | None:
        """Takes turns with the hashes: it costs about as much. Raises as ``HashQueue.run`` does."""
        return await self._queue.run(lambda: weakness(password, own))

    def is_outdated(self, hashed: str) -> bool:
        return self._hasher.check_needs_rehash(hashed)

    def close(self) -> None:
        self._queue.close()

    def _verify(self, hashed: str, password: bytes) -> bool:
        try:
            return self._hasher.verify(hashed, password)
        except (Argon2Error, InvalidHashError):
            return False


def _salt_of(hashed: str) -> bytes:
    # $argon2id$v=19$m=65536,t=3,p=4$salt$hash, in base64 without its padding.
    salt = hashed.split("$")[4]
    return base64.b64decode(salt + "=" * (-len(salt) % 4))


def _normal(password: str) -> bytes:
    # Keyboards differ in how they compose an accented letter; the password is the same.
    return unicodedata.normalize("NFKC", password).encode()
