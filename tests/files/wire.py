"""Uploads byte by byte, as a phone's connection carries them or breaks off."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from tests.harness.people import Person

HEAD = b'--xx\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
TAIL = b"\r\n--xx--\r\n"


class UploadConnection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def status(self) -> int:
        """Of the next answer; 0 when there is none."""
        try:
            async with asyncio.timeout(30):
                first = await self._reader.readline()
        except ConnectionError:
            first = b""
        return int(first.split()[1]) if first else 0

    async def problem(self, within: float = 30) -> tuple[int, str, str]:
        """Status, code and words of the next answer, an error in our format."""
        async with asyncio.timeout(within):
            head = await self._reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].split()[0])
            told = json.loads(await self._reader.readexactly(length))
        assert b"application/problem+json" in head
        assert told["status"] == int(head.split()[1])
        return told["status"], told["code"], told["detail"]

    def cut(self) -> None:
        self.writer.transport.abort()


@asynccontextmanager
async def line(url: str) -> AsyncIterator[UploadConnection]:
    place = urlsplit(url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    try:
        yield UploadConnection(reader, writer)
    finally:
        writer.transport.abort()


def post(person: Person, length: int) -> bytes:
    """The head of a request whose body says to have that length."""
    return (
        "POST /v1/files HTTP/1.1\r\nHost: spotter\r\n"
        f"Authorization: Bearer {person.token}\r\n"
        "Content-Type: multipart/form-data; boundary=xx\r\n"
        f"Content-Length: {length}\r\n\r\n"
    ).encode()


def whole(content: bytes) -> bytes:
    return HEAD + content + TAIL
