"""The processes that decode images: started when needed, ended when they hang, die or have worked enough."""

from __future__ import annotations

import asyncio
import contextlib
import json
import struct
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from pathlib import Path

import structlog

from domain.errors import Code, DomainError, unavailable
from handlers.ports import Picture, Pictures

log = structlog.get_logger("pictures")

_PROGRAM = Path(__file__).with_name("image_worker.py")
# What an honest image needs a tenth of.
PATIENCE_SECONDS = 20.0
# A decoder's leaks go with its process.
_IMAGES_A_PROCESS = 200
# How many images wait for a process before more are refused.
_WAITING = 64
_HEADER_LIMIT = 10_000


class Damaged(Exception):
    """The process did not answer as it should."""


class PictureMaker:
    def __init__(self, processes: int = 2) -> None:
        self._idle: asyncio.LifoQueue[_Worker] = asyncio.LifoQueue()
        for _ in range(processes):
            self._idle.put_nowait(_Worker())
        self._all = processes
        self._waiting = 0

    async def make(self, size: int, content: AsyncIterator[bytes]) -> Pictures:
        """Raises ``unsupported_media``, or ``unavailable`` when too many wait."""
        if self._waiting >= _WAITING:
            raise unavailable("Too many images are waiting; try again.")
        self._waiting += 1
        try:
            worker = await self._idle.get()
        finally:
            self._waiting -= 1
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await worker.make(size, content)
        except BaseException as error:
            # In the middle of an exchange there is nothing to go on with.
            if not isinstance(error, DomainError):
                await worker.end()
            if isinstance(error, TimeoutError | Damaged | OSError | asyncio.IncompleteReadError):
                log.warning("an image could not be decoded", error=type(error).__name__)
                raise _unfit("takes too long or too much memory to decode") from None
            raise
        finally:
            self._idle.put_nowait(worker)

    async def stop(self) -> None:
        """Whatever still decodes is ended."""
        for _ in range(self._idle.qsize()):
            await self._idle.get_nowait().end()


class _Worker:
    def __init__(self) -> None:
        self._process: Process | None = None
        self._made = 0

    async def make(self, size: int, content: AsyncIterator[bytes]) -> Pictures:
        process = self._process or await self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(struct.pack(">Q", size))
        async for chunk in content:
            process.stdin.write(chunk)
            await process.stdin.drain()
        length = struct.unpack(">I", await process.stdout.readexactly(4))[0]
        if length > _HEADER_LIMIT:
            raise Damaged
        header = json.loads(await process.stdout.readexactly(length))
        pictures = [await _picture(process.stdout, each) for each in header.get("images", ())]
        self._made += 1
        if self._made >= _IMAGES_A_PROCESS:
            await self.end()
        if "error" in header:
            raise _unfit(header["error"])
        return Pictures(*pictures)

    async def _start(self) -> Process:
        # Its own folder stays out of the import path, and nothing of the environment is its business.
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", str(_PROGRAM), stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env={}
        )
        self._made = 0
        return self._process

    async def end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def _picture(out: asyncio.StreamReader, header: dict[str, object]) -> Picture:
    size = header["size"]
    assert isinstance(size, int)
    return Picture(
        content_type=str(header["type"]),
        width=int(str(header["width"])),
        height=int(str(header["height"])),
        content=await out.readexactly(size),
    )


def _unfit(why: str) -> DomainError:
    return DomainError(Code.UNSUPPORTED_MEDIA, f"The image {why}.")
