"""Where an upload waits on disk until it is known to be whole: nothing of it is in memory or in the database."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import AsyncIterator
from types import TracebackType

_CHUNK_BYTES = 256 * 1024


class Spool:
    """A file without a name: it is gone with the process, however that ends."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the spool
        self._digest = hashlib.sha256()
        self.size = 0

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    def write(self, chunk: bytes) -> None:
        # It may have been looked into meanwhile.
        self._file.seek(self.size)
        self._file.write(chunk)
        self._digest.update(chunk)
        self.size += len(chunk)

    @property
    def digest(self) -> str:
        return self._digest.hexdigest()

    def part(self, start: int, length: int) -> bytes:
        self._file.seek(start)
        return self._file.read(length)

    async def chunks(self) -> AsyncIterator[bytes]:
        position = 0
        while chunk := self.part(position, _CHUNK_BYTES):
            position += len(chunk)
            yield chunk
