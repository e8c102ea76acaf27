"""The processes that decode images: few, started when needed, ended when they hang, die or have worked enough."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from domain.errors import Code, DomainError, unavailable
from handlers.ports import Pictures
from server.files.picture_worker import Broken, NotStarted, PictureWorker, Unfit

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
        worker = await self._free_worker()
        try:
            yield await self._made_by(worker, size, content)
        finally:
            self._idle.put_nowait(worker)

    async def _free_worker(self) -> PictureWorker:
        if self._waiting >= _WAITING or self._stopped:
            raise unavailable("Too many images are waiting; try again.")
        self._waiting += 1
        try:
            async with asyncio.timeout(_WAITING_SECONDS):
                return await self._idle.get()
        except TimeoutError:
            raise unavailable("Too many images are waiting; try again.") from None
        finally:
            self._waiting -= 1

    async def _made_by(self, worker: PictureWorker, size: int, content: AsyncIterator[bytes]) -> Pictures:
        try:
            async with asyncio.timeout(self._patience):
                return await worker.make(size, content)
        except Unfit as error:
            raise _unsupported(str(error)) from None
        except NotStarted as error:
            log.warning("no process for images", error=repr(error.__cause__))
            raise unavailable() from None
        except (Broken, TimeoutError) as error:
            if self._stopped:
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
