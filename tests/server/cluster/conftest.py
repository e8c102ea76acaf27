"""A Redis that nothing else of the test run writes to."""

from __future__ import annotations

from tests.server.presence.conftest import empty_redis, own_redis_url, redis

__all__ = ["empty_redis", "own_redis_url", "redis"]
