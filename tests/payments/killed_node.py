"""A node in a process of its own that dies at a chosen write: one of the database, or one at Stripe.

Between it and both lies a way of ours, which counts what has been written when that is done, and kills before the node
learns of it. Writes within a transaction count once, with their commit: until then there are none.
"""

from __future__ import annotations

import asyncio
import os
import re
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web
from bson import decode

from server.app import utc_now
from tests.faults.tap import Tap
from tests.harness.forked import FORKS
from tests.harness.nodes import running_node

_START_WITHIN_SECONDS = 60.0
_OP_MSG = 2013
# Written by a node in its own time.
_NOISE = frozenset({"sessions", "silences"})
_ID = re.compile(r"(acct|pi|cus|re|ch|py|tr|du|fee|trr)_\w+")
_WRITES = ("insert", "update", "delete", "findAndModify")
Write = tuple[str, str]
Step = int | Write


class WriteTap(Tap):
    """Counts writes that have been done; ``arm`` with the number or the name of the one to strike at."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(host, port, frozenset())
        self._under_way: dict[int, Write] = {}
        self.struck = False

    def arm(self, step: Step, act: Callable[[], None]) -> None:
        super().arm(step, act)
        self.struck = False
        self._under_way.clear()

    def wrote(self, write: Write) -> bool:
        """Whether it was the one: then whoever wrote is no more."""
        if self._act is None:
            return self.struck
        self.seen.append(write)
        if self._step not in (len(self.seen), write):
            return False
        act, self._act, self.struck = self._act, None, True
        act()
        return True

    def _asked(self, message: bytes, awaited: set[int]) -> None:
        if self._act is None or struct.unpack_from("<i", message, 12)[0] != _OP_MSG:
            return
        body = _body(message)
        name = next(iter(body))
        if name == "commitTransaction":
            self._under_way[_request(message)] = (name, "")
        elif name in _WRITES and body.get("autocommit") is not False and body[name] not in _NOISE:
            self._under_way[_request(message)] = (name, body[name])

    def _answered(self, message: bytes, awaited: set[int]) -> None:
        write = self._under_way.pop(struct.unpack_from("<i", message, 8)[0], None)
        if write is not None and self._act is not None and _did(write[0], _body(message)):
            self.wrote(write)


def _request(message: bytes) -> int:
    found: int = struct.unpack_from("<i", message, 4)[0]
    return found


def _body(message: bytes) -> dict[str, Any]:
    """Also where batches of documents come before it."""
    place = 20
    while message[place] != 0:
        place += 1 + int(struct.unpack_from("<i", message, place + 1)[0])
    size = struct.unpack_from("<i", message, place + 1)[0]
    return decode(message[place + 1 : place + 1 + size])


def _did(name: str, answer: dict[str, Any]) -> bool:
    """Whether it changed something: nodes ask for work all the time."""
    if not answer.get("ok"):
        return False
    if name == "findAndModify":
        return bool(answer.get("lastErrorObject", {}).get("n"))
    if name == "update":
        return bool(answer.get("nModified") or answer.get("upserted"))
    return name == "commitTransaction" or bool(answer.get("n"))


@dataclass
class Ways:
    """From a node to the database and to Stripe."""

    mongo_url: str
    redis_url: str
    stripe: dict[str, str]
    tap: WriteTap
    folder: Path
    logs: list[Path] = field(default_factory=list)

    @asynccontextmanager
    async def node(self, step: Step, *, at_start: bool = False) -> AsyncIterator[NodeToKill]:
        """That dies at this write after ``arm``; ``at_start``: from its first one on."""
        log = self.folder / f"log-{len(self.logs)}"
        self.logs.append(log)
        here, there = FORKS.Pipe(duplex=False)
        settings = {"DATA_DIR": str(self.folder / "data"), **self.stripe}
        process = FORKS.Process(target=_live, args=(self.mongo_url, self.redis_url, settings, str(log), there))
        process.start()
        there.close()
        dying = NodeToKill(process, self.tap, step)
        try:
            if at_start:
                dying.arm()
            async with asyncio.timeout(_START_WITHIN_SECONDS):
                while not here.poll() and process.is_alive():  # noqa: ASYNC110 - a pipe of another kind
                    await asyncio.sleep(0.01)
            with suppress(EOFError):
                dying.url = here.recv()
            yield dying
        finally:
            self.tap.disarm()
            process.kill()
            await asyncio.to_thread(process.join)
            here.close()


@dataclass
class NodeToKill:
    process: ForkServerProcess
    tap: WriteTap
    step: Step
    url: str = ""

    def arm(self) -> None:
        self.tap.arm(self.step, self.process.kill)

    async def dies(self, work: Callable[[], Awaitable[object]], is_done: Callable[[], Awaitable[bool]]) -> bool:
        """False when it has done all of it before the write came."""
        with suppress(aiohttp.ClientError):
            await work()
        async with asyncio.timeout(_START_WITHIN_SECONDS):
            while not self.tap.struck:
                if await is_done():
                    break
                await asyncio.sleep(0.02)
        if self.tap.struck:
            await asyncio.to_thread(self.process.join)
        return self.tap.struck


def _live(mongo_url: str, redis_url: str, settings: dict[str, str], log: str, told: Connection) -> None:
    with open(log, "wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)

    async def live() -> None:
        async with running_node(mongo_url, redis_url, Path(settings["DATA_DIR"]), utc_now, **settings) as node:
            told.send(node.url)
            await asyncio.Event().wait()

    asyncio.run(live())


@asynccontextmanager
async def ways(mongo_url: str, name: str, redis_url: str, stripe: dict[str, str], folder: Path) -> AsyncIterator[Ways]:
    place = urlsplit(mongo_url)
    tap = WriteTap(place.hostname or "", place.port or 0)
    await tap.start()
    async with aiohttp.ClientSession() as http:

        async def passed_on(request: web.Request) -> web.StreamResponse:
            body = await request.read()
            url = f"{stripe['STRIPE_API_BASE']}{request.path_qs}"
            headers = {k: v for k, v in request.headers.items() if k.lower() not in ("host", "content-length")}
            async with http.request(request.method, url, data=body, headers=headers) as answer:
                text = await answer.read()
            if request.method != "GET" and tap.wrote((request.method, _ID.sub("{id}", request.path))):
                assert request.transport is not None
                request.transport.abort()
            kept = {k: v for k, v in answer.headers.items() if k.lower() in ("content-type", "request-id")}
            return web.Response(status=answer.status, body=text, headers=kept)

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", passed_on)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        url = f"mongodb://127.0.0.1:{tap.port}/{name}?directConnection=true"
        try:
            yield Ways(url, redis_url, {**stripe, "STRIPE_API_BASE": f"http://{host}:{port}"}, tap, folder)
        finally:
            await runner.cleanup()
            await tap.stop()
