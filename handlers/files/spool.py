"""Where an upload waits on disk until it is known to be whole: nothing of it is in memory or in the database.

The disk is waited for in threads, never by the event loop.
"""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncIterator
from types import TracebackType

from domain.file_formats import HEAD_BYTES

_AT_ONCE = 1_000_000
_CHUNK_BYTES = 256 * 1024


class Spool:
    """A file without a name: it is gone with the process, however that ends."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the spool
        self._hash = hashlib.sha256()
        self._waiting = bytearray()
        self.head = b""
        self.size = 0

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    async def write(self, chunk: bytes) -> None:
        if len(self.head) < HEAD_BYTES:
            self.head += chunk[: HEAD_BYTES - len(self.head)]
        self._waiting += chunk
        self.size += len(chunk)
        if len(self._waiting) >= _AT_ONCE:
            await self.flush()

    async def flush(self) -> None:
        """To be called once at the end of writing."""
        waiting, self._waiting = self._waiting, bytearray()
        await asyncio.to_thread(self._append, waiting)

    def _append(self, data: bytearray) -> None:
        self._hash.update(data)
        self._file.write(data)

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()

    def part(self, start: int, length: int) -> bytes:
        """Waits for the disk."""
        self._file.seek(start)
        return self._file.read(length)

    async def chunks(self) -> AsyncIterator[bytes]:
        position = 0
        while chunk := await asyncio.to_thread(self.part, position, _CHUNK_BYTES):
            position += len(chunk)
            yield chunk
