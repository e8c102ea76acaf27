"""A Redis that nothing else of the test run writes to."""

from __future__ import annotations

from tests.server.presence.conftest import empty, own_redis_url, redis

__all__ = ["empty", "own_redis_url", "redis"]
