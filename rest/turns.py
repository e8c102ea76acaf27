"""Turns of uploads: a few of one user and of this node at a time, the others wait with their bodies unread."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from domain.errors import Code, DomainError

OF_ONE_USER, OF_ALL = 4, 32
_WAITING = 500
PATIENCE_SECONDS = 120.0


class _Line:
    def __init__(self, turns: int) -> None:
        self.turns = asyncio.Semaphore(turns)
        self.members = 0


class Turns:
    def __init__(
        self, of_one_user: int = OF_ONE_USER, of_all: int = OF_ALL, patience: float = PATIENCE_SECONDS
    ) -> None:
        self._of_one_user = of_one_user
        self._all = asyncio.Semaphore(of_all)
        self._lines: dict[str, _Line] = {}
        self._present = 0
        self._most = of_all + _WAITING
        self._patience = patience

    @asynccontextmanager
    async def turn(self, user_id: str) -> AsyncIterator[None]:
        """Raises ``rate_limited`` when too many wait, or for too long. One user's never stand in others' way."""
        if self._present >= self._most:
            raise _too_many()
        line = self._lines.setdefault(user_id, _Line(self._of_one_user))
        line.members += 1
        self._present += 1
        try:
            await self._taken(line)
            try:
                yield
            finally:
                self._all.release()
                line.turns.release()
        finally:
            self._present -= 1
            line.members -= 1
            if not line.members:
                del self._lines[user_id]

    async def _taken(self, line: _Line) -> None:
        try:
            async with asyncio.timeout(self._patience):
                await line.turns.acquire()
                try:
                    await self._all.acquire()
                except BaseException:
                    line.turns.release()
                    raise
        except TimeoutError:
            raise _too_many() from None


def _too_many() -> DomainError:
    return DomainError(Code.RATE_LIMITED, "Too many uploads at a time.", retry_after_ms=5000)
