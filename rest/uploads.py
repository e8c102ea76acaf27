"""Uploads as ``multipart/form-data``: exactly one part, named ``file``, read as it arrives.

A limiter admits a few of one user, of one network and of this node at a time; the others wait with their bodies unread.
What is admitted waits for its sender: it has a place and some disk, and no turn of anything that works.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from aiohttp import BodyPartReader, MultipartReader, web

from domain.errors import Code, DomainError, invalid, rate_limited, unavailable
from domain.files import LARGEST
from domain.networks import network_of, site_of
from domain.wire import codec
from handlers.access import Actor
from handlers.files.upload import Upload
from rest.adapter import caller_of, owner_of
from rest.answering import answered_in_time
from rest.errors import require_no_content_coding
from rest.limits import Counting
from rest.pace import BROKEN, PACED, Pace, go_on, malformed_form
from rest.requests import key_of
from rest.route import HttpHandler, Route, Services
from store import command_budget
from store.command_budget import Budget, stream_budget
from store.fair_limiter import FairLimiter

if TYPE_CHECKING:
    from aiohttp import StreamReader

# Each takes a descriptor, and a quarter of a megabyte of memory before it is on disk.
OF_ONE_USER, OF_ONE_NETWORK, OF_ALL = 4, 48, 128
TIMEOUT_SECONDS = 60.0
# For so long nobody has to make room.
CROWDED_SECONDS = 0.5
# A MongoDB that is well answers sooner, and a node is busy now and then.
_UNANSWERED_SECONDS = 2.0


@dataclass(slots=True, eq=False)
class AdmittedUpload:
    """``left``: seconds until an answer is due, a body's time not counted. ``pace``: of the body, once it arrives."""

    owner: str
    site: str
    left: float = math.inf
    pace: Pace | None = None


class UploadLimiter:
    def __init__(
        self,
        of_one_user: int = OF_ONE_USER,
        of_all: int = OF_ALL,
        timeout: float = TIMEOUT_SECONDS,
        unanswered_seconds: Callable[[], float] = lambda: 0.0,
    ) -> None:
        """``unanswered_seconds``: for how long MongoDB has answered nothing."""
        self._limiter = FairLimiter(of_one_user, of_all, _too_many, OF_ONE_NETWORK)
        self._timeout = timeout
        self._unanswered_seconds = unanswered_seconds
        self._of_one_user, self._of_all = of_one_user, of_all
        self._admitted: dict[AdmittedUpload, None] = {}

    @asynccontextmanager
    async def turn(self, user_id: str, address: str = "", left: float = math.inf) -> AsyncIterator[AdmittedUpload]:
        """Raises ``rate_limited`` for who waits too long. One user's, and one network's, stand in nobody else's way;
        and several networks', who together have all places, not for long.

        ``left``: seconds in which it has to be answered. Those before it take theirs for their bodies; while MongoDB
        does not answer, they take it for nothing, and it is refused in time: ``unavailable``.
        """
        network = network_of(address)
        upload = AdmittedUpload(user_id, site_of(network), left)
        async with AsyncExitStack() as held:
            await self._wait(held, upload, network)
            self._admitted[upload] = None
            try:
                yield upload
            finally:
                self._admitted.pop(upload, None)

    async def _wait(self, held: AsyncExitStack, upload: AdmittedUpload, network: str) -> None:
        loop = asyncio.get_running_loop()
        looking: list[asyncio.Task[None]] = []
        began = loop.time()
        try:
            async with asyncio.timeout(None) as waiting:
                looking += map(loop.create_task, (self._look_for(upload), self._end(waiting, upload, began)))
                await held.enter_async_context(self._limiter.turn(upload.owner, self._timeout, network))
        except TimeoutError:
            raise unavailable() from None
        finally:
            for task in looking:
                task.cancel()
        in_vain = self._in_vain(began)
        upload.left -= in_vain if in_vain > _UNANSWERED_SECONDS else 0.0

    async def _end(self, waiting: asyncio.Timeout, upload: AdmittedUpload, began: float) -> None:
        """The wait, once all that it had left has passed in vain."""
        while True:
            seconds = max(_UNANSWERED_SECONDS, upload.left) - self._in_vain(began)
            if seconds <= 0:
                break
            # Of what is left no second passes sooner.
            await asyncio.sleep(seconds)
        waiting.reschedule(asyncio.get_running_loop().time())

    def _in_vain(self, began: float) -> float:
        """For how long MongoDB has not answered since then."""
        return min(self._unanswered_seconds(), asyncio.get_running_loop().time() - began)

    async def _look_for(self, upload: AdmittedUpload) -> None:
        """While it waits and all places are taken: the slowest upload of the site that has the most makes room."""
        while True:
            await asyncio.sleep(CROWDED_SECONDS)
            held = Counter(other.site for other in self._admitted)
            own = sum(other.owner == upload.owner for other in self._admitted)
            if len(self._admitted) < self._of_all or own >= self._of_one_user:
                continue
            greediest, most = held.most_common(1)[0]
            if most <= held[upload.site] + 1:
                continue
            arriving = [
                other.pace
                for other in self._admitted
                if other.site == greediest and other.pace is not None and not other.pace.is_over
            ]
            if arriving:
                slowest = min(arriving, key=lambda pace: pace.speed)
                slowest.is_over = True
                slowest.crowd_out(_too_many(0))


def _too_many(_: float) -> DomainError:
    return rate_limited("Too many uploads at a time", 5000)


FIELD = "file"
_CHUNK_BYTES = 64 * 1024
# What boundaries and a part's headers add to a file.
_FRAME_BYTES = 64 * 1024
# Boundaries and the headers of a part or two; the file itself is not read by lines.
_MOST_LINES = 200


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
        """Raises ``malformed`` for what breaks off or does not come, ``validation_failed`` for more than one part."""
        while chunk := await self._pace.read(self._part.read_chunk(_CHUNK_BYTES)):
            yield bytes(chunk)
        if await self._pace.read(self._reader.next()) is not None:
            raise invalid(FIELD, "is the only part there may be")
        self._pace.is_over = True


async def file_part(request: web.Request, upload: AdmittedUpload) -> FilePart:
    """Raises ``unsupported_media`` for another kind of body, ``payload_too_large`` for what says that it is,
    ``malformed`` or ``validation_failed``."""
    if request.content_type != "multipart/form-data":
        raise DomainError(Code.UNSUPPORTED_MEDIA, "Send the file as multipart/form-data, in one part named file.")
    require_no_content_coding(request)
    if (request.content_length or 0) > LARGEST + _FRAME_BYTES:
        raise DomainError(Code.PAYLOAD_TOO_LARGE, f"A file has at most {LARGEST // 1_000_000} MB.")
    pace = upload.pace = Pace(request.content_length)
    await go_on(request)
    try:
        reader = MultipartReader(request.headers, cast("StreamReader", _FewLines(request.content)))
    except BROKEN:
        raise malformed_form() from None
    part = await pace.read(reader.next())
    if part is None:
        raise invalid(FIELD, "is required")
    if not isinstance(part, BodyPartReader) or part.name != FIELD:
        raise invalid(FIELD, "is the only part there may be")
    return FilePart(reader, part, pace)


def upload_handler(route: Route, services: Services) -> HttpHandler:
    turns = UploadLimiter(unanswered_seconds=services.mongo_unanswered_seconds)

    async def handle(request: web.Request) -> web.StreamResponse:
        request[PACED] = True
        budget = Budget()
        caller = await answered_in_time(budget, lambda _: caller_of(request, services, public=False))
        await Counting(services.limiter, request, caller).begin(route.rate)
        assert isinstance(caller, Actor)
        key = key_of(request)
        async with turns.turn(caller.user_id, caller.address, budget.remaining()) as upload:
            part = await file_part(request, upload)
            # It takes as long as its sender may need; each step of ours is bounded, and those before the body together.
            arriving = stream_budget(owner_of(caller), network_of(caller.address), before=upload.left)
            with command_budget.within(arriving):
                content = arriving.streamed(part.chunks())
                answer = await route.handler(services.context, caller, Upload(part.name, content, key))
        return web.Response(status=route.success, body=codec.encode(answer), content_type="application/json")

    return handle
