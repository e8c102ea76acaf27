"""A way to MongoDB that counts the commands passing, and acts on one of them before its answer is passed back."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from bson import decode

_HEADER = 16
_OP_MSG = 2013
# What a node does by itself, all the time, in collections that commands use too.
_OWN = {("findAndModify", "bookings"), ("findAndModify", "outbox"), ("findAndModify", "files")}


def named(message: bytes) -> tuple[str, str] | None:
    """Command and collection; nothing for what is no OP_MSG."""
    opcode = struct.unpack_from("<i", message, 12)[0]
    if opcode != _OP_MSG or message[20] != 0:
        return None
    size = struct.unpack_from("<i", message, 21)[0]
    body = decode(message[21 : 21 + size])
    command = next(iter(body))
    value = body[command]
    return command, value if isinstance(value, str) else ""


class Tap:
    """``watched``: the collections whose commands count; ``commitTransaction`` always does."""

    def __init__(self, host: str, port: int, watched: frozenset[str]) -> None:
        self._target = (host, port)
        self._watched = watched
        self._server: asyncio.Server | None = None
        self._act: Callable[[], None] | None = None
        self._awaited: int | None = None
        self._step: int | tuple[str, str] = 0
        self.port = 0
        self.seen: list[tuple[str, str]] = []

    def arm(self, step: int | tuple[str, str], act: Callable[[], None]) -> None:
        """Act when a command has been answered, before anybody receives the answer: the first of that name and
        collection, or the one of that number, from now on.
        """
        self.seen.clear()
        self._step, self._act = step, act

    def disarm(self) -> None:
        self._act = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._pass, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(*self._target)
        awaited: set[int] = set()
        await asyncio.gather(
            self._pump(reader, back, lambda message: self._asked(message, awaited)),
            self._pump(there, writer, lambda message: self._answered(message, awaited)),
        )

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, look: Callable[[bytes], None]
    ) -> None:
        try:
            while True:
                head = await reader.readexactly(4)
                message = head + await reader.readexactly(struct.unpack("<i", head)[0] - 4)
                look(message)
                writer.write(message)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def _asked(self, message: bytes, awaited: set[int]) -> None:
        if self._act is None:
            return
        command = named(message)
        if command is None or command in _OWN:
            return
        if command[0] == "commitTransaction" or command[1] in self._watched:
            self.seen.append(command)
            if self._step in (len(self.seen), command):
                awaited.add(struct.unpack_from("<i", message, 4)[0])

    def _answered(self, message: bytes, awaited: set[int]) -> None:
        if struct.unpack_from("<i", message, 8)[0] in awaited and self._act is not None:
            act, self._act = self._act, None
            act()


@asynccontextmanager
async def tapped(host: str, port: int, watched: frozenset[str]) -> AsyncIterator[Tap]:
    tap = Tap(host, port, watched)
    await tap.start()
    try:
        yield tap
    finally:
        await tap.stop()
