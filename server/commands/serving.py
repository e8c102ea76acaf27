"""``serve``: run a node until it is told to stop."""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import signal
import sys
import threading

import structlog

from domain.errors import DomainError
from server.app import DRAIN_SECONDS, Node
from server.commands.reporting import reported
from server.commands.servers import servers
from server.observability.logging import log_loop_error
from server.settings import Settings

NAME = "serve"
HELP = "Serve (the default)."

log = structlog.get_logger("serve")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """None."""


@reported
async def run(settings: Settings, options: argparse.Namespace) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.set_exception_handler(log_loop_error)
    async with servers(settings) as urls:
        return await _serve(settings, urls.mongo, urls.redis, stop)


async def _serve(settings: Settings, mongo_url: str, redis_url: str, stop: asyncio.Event) -> int:
    node = Node(settings, mongo_url, redis_url)
    try:
        url = await node.start()
    except (OSError, DomainError) as error:
        print(_reason(settings, error), file=sys.stderr)
        await node.stop()
        return 1
    # What start-up made stays; collecting it again and again costs a busy loop milliseconds.
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    print(f"Spotter serves at {url}", flush=True)
    await stop.wait()
    log.info("draining")
    _end_for_certain()
    await node.stop()
    return 0


def _reason(settings: Settings, error: Exception) -> str:
    if isinstance(error, OSError):
        return f"Cannot listen on {settings.host}:{settings.port}: {error.strerror}. Set PORT."
    return f"MongoDB does not answer or refuses ({type(error).__name__}). Look at MONGO_URL: it takes a replica set."


def _end_for_certain() -> None:
    """Whatever hangs, a thread of the driver's for one: the process is gone by then."""
    timer = threading.Timer(DRAIN_SECONDS - 0.3, os._exit, (1,))
    timer.daemon = True
    timer.start()
