"""``serve`` with WORKERS above 1: the parent's side. What it imports stays in memory for nothing, so it is little."""

from __future__ import annotations

import asyncio
import signal
import sys

from server.commands.environment import servers
from server.embedded import EmbeddedError
from server.observability.logging import log_loop_error
from server.settings import Settings
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
        with reserved(settings.host, settings.port) as port:
            return await _supervise(settings, port, stop)
    except OSError as error:
        print(f"Cannot listen on {settings.host}:{settings.port}: {error.strerror}. Set PORT.", file=sys.stderr)
    except (EmbeddedError, GivenUp) as error:
        print(error, file=sys.stderr)
    return 1


async def _supervise(settings: Settings, port: int, stop: asyncio.Event) -> int:
    async with servers(settings) as urls:
        return await supervise(settings.workers, port, urls.mongo, urls.redis, stop, _serves)


def _serves(url: str) -> None:
    print(f"Spotter serves at {url}", flush=True)
