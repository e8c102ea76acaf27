"""An upload as ``multipart/form-data``: exactly one part, named ``file``, read as it arrives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from typing import TypeVar

from aiohttp import BodyPartReader, ClientError, MultipartReader, web
from aiohttp.http_exceptions import BadHttpMessage

from domain.errors import Code, DomainError, invalid

T = TypeVar("T")

FIELD = "file"
_CHUNK_BYTES = 64 * 1024
# Of a sender that has nothing to say any more, and of the slowest that is worth waiting for.
SILENCE_SECONDS = 20.0
_BROKEN = (ClientError, BadHttpMessage, web.RequestPayloadError, ConnectionError, ValueError, AssertionError, EOFError)


class FilePart:
    """``name``: what the sender calls the file."""

    def __init__(self, reader: MultipartReader, part: BodyPartReader) -> None:
        self._reader = reader
        self._part = part
        self.name = part.filename

    async def chunks(self) -> AsyncIterator[bytes]:
        """Raises ``malformed`` for what breaks off, ``validation_failed`` for more than one part."""
        while chunk := await _read(self._part.read_chunk(_CHUNK_BYTES)):
            yield chunk
        if await _read(self._reader.next()) is not None:
            raise invalid(FIELD, "is the only part there may be")


async def file_part(request: web.Request) -> FilePart:
    """Raises ``unsupported_media`` for another kind of body, ``malformed`` or ``validation_failed``."""
    if request.content_type != "multipart/form-data":
        raise DomainError(Code.UNSUPPORTED_MEDIA, "Send the file as multipart/form-data.")
    try:
        reader = await request.multipart()
    except _BROKEN:
        raise _malformed() from None
    part = await _read(reader.next())
    if part is None:
        raise invalid(FIELD, "is required")
    if not isinstance(part, BodyPartReader) or part.name != FIELD:
        raise invalid(FIELD, "is the only part there may be")
    return FilePart(reader, part)


async def _read(reading: Awaitable[T]) -> T:
    try:
        async with asyncio.timeout(SILENCE_SECONDS):
            return await reading
    except TimeoutError:
        raise DomainError(Code.MALFORMED, "The body did not arrive in time.") from None
    except _BROKEN:
        raise _malformed() from None


def _malformed() -> DomainError:
    return DomainError(Code.MALFORMED, "The body is not a whole multipart/form-data.")
