"""When people were last seen, written behind: kept until MongoDB has it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import structlog

from server.callbacks import notify
from store.concurrency import WriteBehind

log = structlog.get_logger("presence")

Write = Callable[[Mapping[str, int]], Awaitable[None]]


@dataclass(slots=True)
class _Noted:
    """``at``: milliseconds since the epoch. ``written``: called with the user's id once it is durable."""

    at: int
    written: tuple[Callable[[str], None], ...]

    def merged(self, newer: _Noted) -> _Noted:
        return _Noted(max(self.at, newer.at), (*self.written, *newer.written))


class LastSeen:
    def __init__(self, write: Write) -> None:
        self._write = write
        self._writes: WriteBehind[str, _Noted] = WriteBehind(self._write_batch, _Noted.merged, failed=_report)

    def note(self, user_id: str, seen: int, written: Callable[[str], None] | None = None) -> None:
        """``written`` is called once it is durable."""
        self._writes.note(user_id, _Noted(seen, (written,) if written else ()))

    async def drain(self) -> None:
        """Return when everything is written."""
        await self._writes.flush()

    async def stop(self) -> None:
        await self._writes.stop()

    async def _write_batch(self, batch: Mapping[str, _Noted]) -> None:
        await self._write({user_id: noted.at for user_id, noted in batch.items()})
        for user_id, noted in batch.items():
            for written in noted.written:
                notify(written, user_id)


def _report(error: Exception) -> None:
    log.warning("writing when people were last seen failed", error=type(error).__name__)
