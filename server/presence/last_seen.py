"""When people were last seen, written behind: kept until MongoDB has it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from itertools import islice

import structlog

from server.callbacks import notify

log = structlog.get_logger("presence")

MAX_BATCH = 512
RETRY_SECONDS = 1.0
Write = Callable[[Mapping[str, int]], Awaitable[None]]


class LastSeen:
    def __init__(self, write: Write) -> None:
        self._write = write
        self._waiting: dict[str, tuple[int, list[Callable[[str], None]]]] = {}
        self._task: asyncio.Task[None] | None = None

    def note(self, user_id: str, seen: int, written: Callable[[str], None] | None = None) -> None:
        """``written`` is called once it is durable."""
        known, waiting = self._waiting.get(user_id, (0, []))
        self._waiting[user_id] = (max(known, seen), [*waiting, written] if written else waiting)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._write_all())

    async def drain(self) -> None:
        """Return when everything is written."""
        if self._task is not None:
            await asyncio.shield(self._task)

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _write_all(self) -> None:
        try:
            while self._waiting:
                batch = dict(islice(self._waiting.items(), MAX_BATCH))
                for user_id in batch:
                    del self._waiting[user_id]
                await self._write_batch(batch)
        finally:
            self._task = None

    async def _write_batch(self, batch: dict[str, tuple[int, list[Callable[[str], None]]]]) -> None:
        try:
            await self._write({user_id: seen for user_id, (seen, _) in batch.items()})
        except Exception as error:
            log.warning("writing when people were last seen failed", error=type(error).__name__)
            for user_id, (seen, waiting) in batch.items():
                known, later = self._waiting.get(user_id, (0, []))
                self._waiting[user_id] = (max(known, seen), [*waiting, *later])
            await asyncio.sleep(RETRY_SECONDS)
            return
        for user_id, (_, waiting) in batch.items():
            for written in waiting:
                notify(written, user_id)
