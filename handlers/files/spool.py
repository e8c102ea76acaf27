"""Where an upload waits on disk until it is known to be whole: nothing of it is in memory or in the database.

Threads wait for the disk, never the event loop.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from types import TracebackType

import structlog

from domain.errors import unavailable
from domain.file_formats import HEAD_BYTES
from store.fair_space import FairSpace

# In memory before it is written: as many wait for their senders as there are places.
_AT_ONCE = 256 * 1024
_CHUNK_BYTES = 256 * 1024

log = structlog.get_logger("files")


class Spool:
    """A file without a name: it is gone with the process, however that ends.

    Its bytes count for its owner and the network as long as it is open.
    """

    def __init__(self, space: FairSpace, owner: str, network: str) -> None:
        self._space = space
        self._owner = owner
        self._network = network
        with _no_room():
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the spool
        self._hash = hashlib.sha256()
        self._waiting = bytearray()
        self.head = b""
        self.size = 0

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._space.give_back(self._owner, self._network, self.size)
        # It tries once more to write what the disk has refused.
        with suppress(OSError):
            self._file.close()

    async def write(self, chunk: bytes) -> None:
        """Raises ``rate_limited`` when there is no room for more, ``unavailable`` when the disk has none."""
        self._space.take(self._owner, self._network, len(chunk))
        self.size += len(chunk)
        if len(self.head) < HEAD_BYTES:
            self.head += chunk[: HEAD_BYTES - len(self.head)]
        self._waiting += chunk
        if len(self._waiting) >= _AT_ONCE:
            await self.flush()

    async def flush(self) -> None:
        """To be called once at the end of writing."""
        waiting, self._waiting = self._waiting, bytearray()
        await asyncio.to_thread(self._append, waiting)

    def _append(self, data: bytearray) -> None:
        self._hash.update(data)
        with _no_room():
            self._file.write(data)
            # The file has a buffer: a disk that is full is noticed here, and not by whoever reads.
            self._file.flush()

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


@contextmanager
def _no_room() -> Iterator[None]:
    """A disk that is full is ``unavailable``."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENOENT and tempfile.tempdir is None:
            # No directory took the few bytes that each is tried with: full, or none that can be written to.
            log.error("no directory for uploads", error=type(error).__name__)
        elif error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise unavailable("There is no room for uploads right now; try again later.") from None
