"""An upload as ``multipart/form-data``: exactly one part, named ``file``, read as it arrives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from typing import TYPE_CHECKING, Any, TypeVar, cast

from aiohttp import BodyPartReader, ClientError, MultipartReader, web
from aiohttp.http_exceptions import BadHttpMessage

from domain.errors import Code, DomainError, invalid
from domain.files import LARGEST

if TYPE_CHECKING:
    from aiohttp import StreamReader

T = TypeVar("T")

FIELD = "file"
_CHUNK_BYTES = 64 * 1024
# What boundaries and a part's headers add to a file.
_FRAME_BYTES = 64 * 1024
# Boundaries and the headers of a part or two; the file itself is not read by lines.
_MOST_LINES = 200
_BROKEN = (ClientError, BadHttpMessage, web.RequestPayloadError, ConnectionError, ValueError, AssertionError, EOFError)


class Pace:
    """How long a sender is waited for: never long for nothing, and in all no longer than a slow phone needs."""

    SILENCE_SECONDS = 20.0
    GRACE_SECONDS = 60.0
    BYTES_A_SECOND = 16 * 1024

    def __init__(self) -> None:
        self._started = asyncio.get_running_loop().time()
        self._received = 0

    async def read(self, reading: Awaitable[T]) -> T:
        """Raises ``malformed`` for what breaks off or does not come."""
        now = asyncio.get_running_loop().time()
        due = self._started + self.GRACE_SECONDS + self._received / self.BYTES_A_SECOND
        try:
            async with asyncio.timeout_at(min(now + self.SILENCE_SECONDS, due)):
                got = await reading
        except TimeoutError:
            raise DomainError(Code.MALFORMED, "The body did not arrive in time.") from None
        except _BROKEN:
            raise _malformed() from None
        if isinstance(got, bytes | bytearray):
            self._received += len(got)
        return got


class _FewLines:
    """A body of which only so many lines are read.

    What comes before the first boundary is skipped by the line, and a million empty lines would keep the event loop
    for seconds.
    """

    def __init__(self, content: StreamReader) -> None:
        self._content = content
        self._left = _MOST_LINES

    async def readline(self, **how: Any) -> bytes:
        self._left -= 1
        if self._left < 0:
            raise ValueError
        return await self._content.readline(**how)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._content, name)


class FilePart:
    """``name``: what the sender calls the file."""

    def __init__(self, reader: MultipartReader, part: BodyPartReader, pace: Pace) -> None:
        self._reader = reader
        self._part = part
        self._pace = pace
        self.name = part.filename

    async def chunks(self) -> AsyncIterator[bytes]:
        """Raises ``malformed`` for what breaks off, ``validation_failed`` for more than one part."""
        while chunk := await self._pace.read(self._part.read_chunk(_CHUNK_BYTES)):
            yield bytes(chunk)
        if await self._pace.read(self._reader.next()) is not None:
            raise invalid(FIELD, "is the only part there may be")


async def file_part(request: web.Request) -> FilePart:
    """Raises ``unsupported_media`` for another kind of body, ``payload_too_large`` for what says that it is,
    ``malformed`` or ``validation_failed``."""
    if request.content_type != "multipart/form-data":
        raise DomainError(Code.UNSUPPORTED_MEDIA, "Send the file as multipart/form-data.")
    if (request.content_length or 0) > LARGEST + _FRAME_BYTES:
        raise DomainError(Code.PAYLOAD_TOO_LARGE, f"A file has at most {LARGEST // 1_000_000} MB.")
    pace = Pace()
    try:
        reader = MultipartReader(request.headers, cast("StreamReader", _FewLines(request.content)))
    except _BROKEN:
        raise _malformed() from None
    part = await pace.read(reader.next())
    if part is None:
        raise invalid(FIELD, "is required")
    if not isinstance(part, BodyPartReader) or part.name != FIELD:
        raise invalid(FIELD, "is the only part there may be")
    return FilePart(reader, part, pace)


def _malformed() -> DomainError:
    return DomainError(Code.MALFORMED, "The body is not a whole multipart/form-data.")
