"""A command's surroundings: MongoDB and Redis, the deployment's own or embedded, and how a failure is reported."""

from __future__ import annotations

import argparse
import functools
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from domain.errors import DomainError
from server import embedded
from server.embedded import EmbeddedError
from server.settings import Settings
from store.reachability import Misconfigured


@dataclass(frozen=True, slots=True)
class ServerUrls:
    mongo: str
    redis: str


@asynccontextmanager
async def servers(settings: Settings) -> AsyncIterator[ServerUrls]:
    """What is not named by the settings is started under ``DATA_DIR`` for as long as somebody uses it."""
    if settings.mongo_url and settings.redis_url:
        yield ServerUrls(settings.mongo_url, settings.redis_url)
        return
    async with embedded.servers(settings.data_dir, mongo=not settings.mongo_url, redis=not settings.redis_url) as urls:
        mongo, redis = settings.mongo_url or urls.mongo_url, settings.redis_url or urls.redis_url
        assert mongo is not None
        assert redis is not None
        yield ServerUrls(mongo, redis)


Run = Callable[[Settings, argparse.Namespace], Coroutine[Any, Any, int]]


def reported(run: Run) -> Run:
    """Expected failures are printed; anything else is a bug, and looks like one."""

    @functools.wraps(run)
    async def reporting(settings: Settings, options: argparse.Namespace) -> int:
        try:
            return await run(settings, options)
        except (DomainError, EmbeddedError, Misconfigured) as error:
            print(error, file=sys.stderr)
            return 1

    return reporting
