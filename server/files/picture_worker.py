"""One process that decodes images, started when it is first needed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import struct
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from handlers.ports import Picture, Pictures

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
        """Isolated: it imports nothing from here, inherits no descriptor and no environment, and hears no Ctrl-C."""
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
