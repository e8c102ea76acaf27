"""The processes that decode images: few, started when needed, ended when they hang, die or have worked enough.

They are shared network by network and account by account, and what an image takes is charged to both.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import struct
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic
from typing import Any

import structlog

from domain.errors import Code, DomainError, FieldError, unavailable
from domain.image_limits import (
    MAX_ANIMATED_PIXELS,
    MAX_FRAMES,
    MAX_PIXELS,
    ImageTooLarge,
    too_many_frames,
    too_many_pixels,
)
from domain.networks import site_of
from handlers.ports import Picture, Pictures
from server.files.decoder_seconds import OF_ACCOUNT, OF_NETWORK, OF_SITE, DecoderSeconds
from store.command_budget import BUDGET_SECONDS, remaining
from store.fair_limiter import FairLimiter

_PROGRAM = Path(__file__).with_name("image_worker.py")
# A decoder's leaks go with its process.
_IMAGES_A_PROCESS = 200
# Of CPU; honest images of 10 MB take up to two.
IMAGE_SECONDS = 3.0
_END_SECONDS = 0.5
_HEADER_LIMIT = 10_000
_PICTURE_LIMIT = 20_000_000
_LIMITS = json.dumps({"pixels": MAX_PIXELS, "frames": MAX_FRAMES, "animated_pixels": MAX_ANIMATED_PIXELS})


class RefusedImage(Exception):
    """Why the process refused an image."""


class Broken(Exception):
    """It died, or does not answer as it should."""


class TooLong(Exception):
    """The image took all the CPU that one may take."""


class NotStarted(Exception):
    """There is no such process to be had: nothing is known against the image."""


class PictureWorker:
    def __init__(self, most_seconds: float) -> None:
        """``most_seconds`` of CPU for an image."""
        self._most_seconds = most_seconds
        self._process: Process | None = None
        self._made = 0
        # Of CPU, by the last image; where its process did not report it, all the time that it took.
        self.seconds = 0.0

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    async def make(self, size: int, content: AsyncIterator[bytes]) -> Pictures:
        """Raises ``RefusedImage``, ``ImageTooLarge``, ``NotStarted``, ``TooLong`` or ``Broken``.

        Whatever breaks the exchange off, the process is ended.
        """
        self.seconds = 0.0
        process = self._process
        if process is None or process.returncode is not None:
            process = await self._start()
        began = monotonic()
        try:
            header, pictures = await _exchange(process, size, content)
            self.seconds = min(self._most_seconds, float(header["seconds"]))
        except (OSError, asyncio.IncompleteReadError, ValueError, KeyError) as error:
            self.seconds = min(self._most_seconds, monotonic() - began)
            too_long = await _ended_by_its_time(process)
            await self.end()
            raise (TooLong if too_long else Broken) from error
        except BaseException:
            self.seconds = min(self._most_seconds, monotonic() - began)
            await self.end()
            raise
        self._made += 1
        if self._made >= _IMAGES_A_PROCESS or header["tired"]:
            await self.end()
        if "too_large" in header:
            raise _too_large(**header["too_large"])
        if "error" in header:
            raise RefusedImage(header["error"])
        return Pictures(*pictures)

    async def _start(self) -> Process:
        """Isolated: it imports nothing from here, inherits no descriptor and no environment, and receives no Ctrl-C."""
        try:
            self._process = process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-I",
                str(_PROGRAM),
                str(self._most_seconds),
                _LIMITS,
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
            assert process.stdin is not None
            # What it did not read broke the pipe: Python 3.11.2 reports that as an error unless somebody asks.
            with contextlib.suppress(OSError):
                async with asyncio.timeout(_END_SECONDS):
                    await process.stdin.wait_closed()


def _too_large(
    content_type: str | None = None, size: list[int] | None = None, frames: int | None = None
) -> ImageTooLarge:
    """By what the process found while it decoded: beforehand most is counted."""
    if frames is not None:
        return too_many_frames(frames)
    return too_many_pixels(content_type, (size[0], size[1]) if size else None)


async def _ended_by_its_time(process: Process) -> bool:
    """The end of its output comes a moment before its own."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_END_SECONDS):
            return await process.wait() == -signal.SIGPROF
    return False


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

# How long one is waited for: a busy machine takes longer for what is little CPU.
TIMEOUT_SECONDS = 8.0
PROCESSES = 3


class PictureMaker:
    """An account has one process at a time, a network all but one: who is quiet finds that one."""

    def __init__(
        self,
        processes: int = PROCESSES,
        scale: float = 1.0,
        image_seconds: float = IMAGE_SECONDS,
    ) -> None:
        self.workers = [PictureWorker(image_seconds) for _ in range(processes)]
        self._image_seconds = image_seconds
        # The last used first: the others need not be started.
        self._idle = list(self.workers)
        self._turns = FairLimiter(1, processes, _too_many, of_network=max(1, processes - 1))
        self._of_accounts = DecoderSeconds(OF_ACCOUNT, scale)
        self._of_networks = DecoderSeconds(OF_NETWORK, scale)
        self._of_sites = DecoderSeconds(OF_SITE, scale)
        self._timeout = TIMEOUT_SECONDS
        self._stopped = False

    def require_seconds(self, account: str, network: str) -> None:
        """Raises ``rate_limited`` when the account, its network or its site has used up what its images may take."""
        self._of_accounts.require(account)
        self._of_networks.require(network)
        if (site := site_of(network)) != network:
            self._of_sites.require(site)

    @asynccontextmanager
    async def made(
        self, account: str, network: str, size: int, content: AsyncIterator[bytes]
    ) -> AsyncIterator[Pictures]:
        """The worker is kept until they are written, so that no more wait in memory than there are workers."""
        budget = min(BUDGET_SECONDS, remaining())
        give_up = asyncio.get_running_loop().time() + budget
        # Whoever begins has the time for it: what is given up half done was for nobody, and kept others waiting.
        async with self._turns.turn(account, budget - min(self._image_seconds, budget / 2), network):
            self.require_seconds(account, network)
            if self._stopped:
                raise unavailable()
            worker = self._idle.pop()
            try:
                try:
                    pictures = await self._made_by(worker, size, content, give_up)
                finally:
                    self._of_accounts.charge(account, worker.seconds)
                    self._of_networks.charge(network, worker.seconds)
                    if (site := site_of(network)) != network:
                        self._of_sites.charge(site, worker.seconds)
                yield pictures
            finally:
                self._idle.append(worker)

    async def _made_by(
        self, worker: PictureWorker, size: int, content: AsyncIterator[bytes], give_up: float
    ) -> Pictures:
        enough = asyncio.get_running_loop().time() + self._timeout
        try:
            async with asyncio.timeout_at(min(enough, give_up)):
                return await worker.make(size, content)
        except RefusedImage as error:
            raise _unsupported(str(error)) from None
        except ImageTooLarge as error:
            limit = (FieldError("file", error.limit),)
            raise DomainError(Code.PAYLOAD_TOO_LARGE, f"The image {error}.", errors=limit) from None
        except TooLong:
            log.warning("an image took too long to decode")
            raise _unsupported(f"takes more than {self._image_seconds:g} s to decode") from None
        except NotStarted as error:
            log.warning("no process for images", error=repr(error.__cause__))
            raise unavailable() from None
        except TimeoutError:
            # It is not the image: one that works is ended by its CPU. The machine is busy, or the process hangs.
            log.warning("a process for images did not answer in time")
            raise unavailable() from None
        except Broken:
            if self._stopped:
                raise unavailable() from None
            log.warning("an image could not be decoded")
            raise _unsupported("takes too much memory to decode, or is damaged") from None

    async def stop(self) -> None:
        """Whatever still decodes is ended."""
        self._stopped = True
        for worker in self.workers:
            await worker.end()


def _too_many(_: float) -> DomainError:
    return unavailable("Too many images are waiting; try again.")


def _unsupported(why: str) -> DomainError:
    return DomainError(Code.UNSUPPORTED_MEDIA, f"The image {why}.")
