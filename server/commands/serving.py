"""``serve``: one node in one process, until it is told to stop."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys

from server.commands.node_life import live
from server.commands.reporting import reported
from server.commands.servers import servers
from server.observability.logging import log_loop_error
from server.settings import Settings

NAME = "serve"
HELP = "Serve (the default)."


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
        return await live(settings, urls, stop, _serves, _cannot)


def _serves(url: str) -> None:
    print(f"Spotter serves at {url}", flush=True)


def _cannot(reason: str) -> None:
    print(reason, file=sys.stderr)
