"""The processes that decode images: few, started when needed, ended when they hang, die or have worked enough."""

from __future__ import annotations

import asyncio
import contextlib
import json
import struct
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import structlog

from domain.errors import Code, DomainError, unavailable
from handlers.context import Picture, Pictures
from store.command_budget import remaining

_PROGRAM = Path(__file__).with_name("image_worker.py")
# A decoder's leaks go with its process.
_IMAGES_A_PROCESS = 200
_HEADER_LIMIT = 10_000
_PICTURE_LIMIT = 20_000_000


class Unfit(Exception):
    """What the process says against an image."""


class Broken(Exception):
    """It died, or does not answer as it should."""


class NotStarted(Exception):
    """There is no such process to be had: nothing is known against the image."""


class PictureWorker:
    def __init__(self) -> None:
        self._process: Process | None = None
        self._made = 0

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    async def make(self, size: int, content: AsyncIterator[bytes]) -> Pictures:
        """Raises ``Unfit``, ``NotStarted`` or ``Broken``. Whatever breaks the exchange off, the process is ended."""
        process = self._process
        if process is None or process.returncode is not None:
            process = await self._start()
        try:
            header, pictures = await _exchange(process, size, content)
        except (OSError, asyncio.IncompleteReadError, ValueError, KeyError) as error:
            await self.end()
            raise Broken from error
        except BaseException:
            await self.end()
            raise
        self._made += 1
        if self._made >= _IMAGES_A_PROCESS or header["tired"]:
            await self.end()
        if "error" in header:
            raise Unfit(header["error"])
        return Pictures(*pictures)

    async def _start(self) -> Process:
        """Isolated: it imports nothing from here, inherits no descriptor and no environment, and receives no Ctrl-C."""
        try:
            self._process = process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-I",
                str(_PROGRAM),
                stdin=PIPE,
                stdout=PIPE,
                stderr=DEVNULL,
                env={},
                start_new_session=True,
            )
            assert process.stdout is not None
            await process.stdout.readexactly(1)
        except (OSError, asyncio.IncompleteReadError) as error:
            await self.end()
            raise NotStarted from error
        except BaseException:
            await self.end()
            raise
        self._made = 0
        return process

    async def end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def _exchange(
    process: Process, size: int, content: AsyncIterator[bytes]
) -> tuple[dict[str, Any], list[Picture]]:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(struct.pack(">Q", size))
    async for chunk in content:
        process.stdin.write(chunk)
        await process.stdin.drain()
    length = struct.unpack(">I", await process.stdout.readexactly(4))[0]
    if length > _HEADER_LIMIT:
        raise ValueError(length)
    header = json.loads(await process.stdout.readexactly(length))
    return header, [await _picture(process.stdout, each) for each in header.get("images", ())]


async def _picture(out: asyncio.StreamReader, header: dict[str, int | str]) -> Picture:
    size = int(header["size"])
    if size > _PICTURE_LIMIT:
        raise ValueError(size)
    return Picture(
        content_type=str(header["type"]),
        width=int(header["width"]),
        height=int(header["height"]),
        content=await out.readexactly(size),
    )


log = structlog.get_logger("pictures")

# What an honest image needs a tenth of.
PATIENCE_SECONDS = 20.0
# How many images wait for a process before more are refused, and for how long.
_WAITING = 64
_WAITING_SECONDS = 60.0


class PictureMaker:
    def __init__(self, processes: int = 2, patience: float = PATIENCE_SECONDS) -> None:
        self.workers = [PictureWorker() for _ in range(processes)]
        self._idle: asyncio.LifoQueue[PictureWorker] = asyncio.LifoQueue()
        for worker in self.workers:
            self._idle.put_nowait(worker)
        self._patience = patience
        self._waiting = 0
        self._stopped = False

    @asynccontextmanager
    async def made(self, size: int, content: AsyncIterator[bytes]) -> AsyncIterator[Pictures]:
        """The worker is kept until they are written, so that no more wait in memory than there are workers."""
        give_up = asyncio.get_running_loop().time() + min(_WAITING_SECONDS + self._patience, remaining())
        worker = await self._free_worker(give_up)
        try:
            yield await self._made_by(worker, size, content, give_up)
        finally:
            self._idle.put_nowait(worker)

    async def _free_worker(self, give_up: float) -> PictureWorker:
        if self._waiting >= _WAITING or self._stopped:
            raise unavailable("Too many images are waiting; try again.")
        self._waiting += 1
        try:
            async with asyncio.timeout_at(give_up):
                return await self._idle.get()
        except TimeoutError:
            raise unavailable("Too many images are waiting; try again.") from None
        finally:
            self._waiting -= 1

    async def _made_by(
        self, worker: PictureWorker, size: int, content: AsyncIterator[bytes], give_up: float
    ) -> Pictures:
        enough = asyncio.get_running_loop().time() + self._patience
        try:
            async with asyncio.timeout_at(min(enough, give_up)):
                return await worker.make(size, content)
        except Unfit as error:
            raise _unsupported(str(error)) from None
        except NotStarted as error:
            log.warning("no process for images", error=repr(error.__cause__))
            raise unavailable() from None
        except (Broken, TimeoutError) as error:
            if self._stopped or (isinstance(error, TimeoutError) and give_up < enough):
                # It is not the image that took too long, or not it alone.
                raise unavailable() from None
            log.warning("an image could not be decoded", error=type(error).__name__)
            raise _unsupported("takes too long or too much memory to decode") from None

    async def stop(self) -> None:
        """Whatever still decodes is ended."""
        self._stopped = True
        for worker in self.workers:
            await worker.end()


def _unsupported(why: str) -> DomainError:
    return DomainError(Code.UNSUPPORTED_MEDIA, f"The image {why}.")
