"""The life of a node's process: start, serve, drain."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
from collections.abc import Callable

import structlog

from domain.errors import DomainError
from server.app import Node
from server.commands.servers import ServerUrls
from server.draining import DRAIN_SECONDS
from server.settings import Settings
from server.workers.neighbours import Neighbours

log = structlog.get_logger("serve")


async def live(
    settings: Settings,
    urls: ServerUrls,
    stop: asyncio.Event,
    serves: Callable[[str], None],
    cannot: Callable[[str], None],
    neighbours: Neighbours | None = None,
) -> int:
    """Tells ``serves`` the URL or ``cannot`` the reason, and answers the exit code after ``stop``."""
    node = Node(settings, urls.mongo, urls.redis, neighbours=neighbours)
    try:
        url = await node.start()
    except (OSError, DomainError) as error:
        cannot(_reason(settings, error))
        await node.stop()
        return 1
    # What start-up made stays; collecting it again and again costs a busy loop milliseconds.
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    serves(url)
    await stop.wait()
    log.info("draining")
    _end_for_certain()
    await node.stop()
    return 0


def _reason(settings: Settings, error: Exception) -> str:
    if isinstance(error, OSError):
        return cannot_listen(settings, error)
    return f"MongoDB does not answer or refuses ({type(error).__name__}). Look at MONGO_URL: it takes a replica set."


def cannot_listen(settings: Settings, error: OSError) -> str:
    return f"Cannot listen on {settings.host}:{settings.port}: {error.strerror}. Set PORT."


def _end_for_certain() -> None:
    """Whatever hangs, a thread of the driver's for one: the process is gone by then."""
    timer = threading.Timer(DRAIN_SECONDS - 0.3, os._exit, (1,))
    timer.daemon = True
    timer.start()
