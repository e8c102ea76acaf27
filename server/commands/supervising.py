"""``serve`` with WORKERS above 1: the parent's side. What it imports stays in memory for nothing, so it is little."""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import ExitStack
from typing import overload

from server.commands.environment import servers
from server.commands.stripe_sandbox import beside
from server.embedded import EmbeddedError
from server.observability.logging import log_loop_error
from server.settings import ListenAddress, Settings
from server.workers.parent import GivenUp, reserved, supervise


async def run(settings: Settings) -> int:
    if sys.platform != "linux":
        print("WORKERS above 1 needs Linux. Set WORKERS=1, or run several programs behind a proxy.", file=sys.stderr)
        return 2
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.set_exception_handler(log_loop_error)
    try:
        with ExitStack() as stack:
            ports = _reserve(settings.public, stack), _reserve(settings.operations, stack)
            return await _supervise(settings, ports, stop)
    except (_Taken, EmbeddedError, GivenUp) as error:
        print(error, file=sys.stderr)
    return 1


class _Taken(Exception):
    """A port cannot be had."""


@overload
def _reserve(place: ListenAddress, stack: ExitStack) -> int: ...
@overload
def _reserve(place: ListenAddress | None, stack: ExitStack) -> int | None: ...
def _reserve(place: ListenAddress | None, stack: ExitStack) -> int | None:
    try:
        return None if place is None else stack.enter_context(reserved(place.host, place.port))
    except OSError as error:
        assert place is not None
        raise _Taken(place.refusal(error)) from error


async def _supervise(settings: Settings, ports: tuple[int, int | None], stop: asyncio.Event) -> int:
    operations = settings.operations

    def announce(url: str) -> None:
        print(f"Spotter serves at {url}", flush=True)
        if operations is not None:
            print(f"Operations at {operations.url(ports[1])}", flush=True)

    async with beside(settings) as sandbox, servers(settings) as urls:
        await sandbox.wait()
        return await supervise(settings.workers, ports, urls.mongo, urls.redis, stop, announce)
