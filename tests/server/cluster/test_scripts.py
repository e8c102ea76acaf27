"""Scripts in Redis, and what they raise when it is away; ``/readyz`` asks it likewise."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from redis.asyncio import Connection, ConnectionPool, Redis

from server.cluster.scripts import Script, ScriptCall, Scripts
from server.operations import RedisHealth
from server.pubsub.connection import UNREACHABLE

ECHO = Script("return ARGV[1]")


class LostConnection(Connection):
    """Lost after it was taken from its pool, before the command is written."""

    lost = False

    async def _send_packed_command(self, command: Iterable[bytes]) -> None:
        if LostConnection.lost and self._writer is not None:
            self._writer.transport.abort()
            # The loop closes it in its next turn.
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        await super()._send_packed_command(command)


@pytest.fixture
async def redis_losing_connections(own_redis_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Redis]:
    """Its connections are lost until the end of the test."""
    pool = ConnectionPool.from_url(own_redis_url, connection_class=LostConnection, socket_timeout=5.0)
    redis: Redis = Redis(connection_pool=pool)
    assert await Scripts(redis).run(ECHO, ScriptCall((), ("before",))) == b"before"
    monkeypatch.setattr(LostConnection, "lost", True)
    yield redis
    monkeypatch.undo()
    assert await Scripts(redis).run(ECHO, ScriptCall((), ("after",))) == b"after"
    await redis.aclose()
    await pool.disconnect()


async def test_a_connection_that_is_lost_under_a_script_is_a_redis_that_is_away(
    redis_losing_connections: Redis,
) -> None:
    with pytest.raises(UNREACHABLE):
        await Scripts(redis_losing_connections).run(ECHO, ScriptCall((), ("x",)))


async def test_a_connection_that_is_lost_under_a_pipeline_is_a_redis_that_is_away(
    redis_losing_connections: Redis,
) -> None:
    with pytest.raises(UNREACHABLE):
        await Scripts(redis_losing_connections).pipeline([("PING",), ("PING",)])


async def test_a_redis_that_is_away_is_down(redis_losing_connections: Redis) -> None:
    assert await RedisHealth(cast(Any, SimpleNamespace(redis=redis_losing_connections))).state() == "down"
