"""MongoDB and Redis for a command: the deployment's own, or the embedded ones."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from server import embedded
from server.settings import Settings


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
