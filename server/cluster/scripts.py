"""Running scripts in Redis, one or many at once."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster
from redis.exceptions import NoScriptError

from server.pubsub.connection import reaching_redis


class Script:
    def __init__(self, source: str) -> None:
        self.source = source
        self.sha = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()


@dataclass(frozen=True, slots=True)
class ScriptCall:
    """The keys and arguments of one run of a script."""

    keys: tuple[str, ...]
    arguments: tuple[str | int, ...]


class Scripts:
    """All methods raise one of ``UNREACHABLE`` when Redis does not answer."""

    def __init__(self, redis: Redis | RedisCluster) -> None:
        self._redis: Any = redis
        self.publish_command = "SPUBLISH" if isinstance(redis, RedisCluster) else "PUBLISH"

    async def run(self, script: Script, call: ScriptCall) -> Any:
        rest = (len(call.keys), *call.keys, *call.arguments)
        with reaching_redis():
            try:
                return await self._redis.execute_command("EVALSHA", script.sha, *rest)
            except NoScriptError:
                return await self._redis.execute_command("EVAL", script.source, *rest)

    async def run_each(self, script: Script, calls: Sequence[ScriptCall]) -> list[Any]:
        """The answers, in order; what failed is answered by its exception."""
        commands = [("EVALSHA", script.sha, len(c.keys), *c.keys, *c.arguments) for c in calls]
        answers = await self.pipeline(commands)
        for index, answer in enumerate(answers):
            if isinstance(answer, NoScriptError):
                answers[index] = await self.run(script, calls[index])
        return answers

    async def pipeline(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        """The answers, in order; what failed is answered by its exception."""
        if not commands:
            return []
        pipeline = (
            self._redis.pipeline() if isinstance(self._redis, RedisCluster) else self._redis.pipeline(transaction=False)
        )
        for command in commands:
            pipeline.execute_command(*command)
        with reaching_redis():
            return list(await pipeline.execute(raise_on_error=False))
