"""A Redis master with a replica under sentinels, and a Redis cluster, on loopback ports."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from server.embedded.process import choose
from tests.server.pubsub.redis_servers import RedisServer, redis_server

SLOTS = 16384


async def patiently(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                if await condition():
                    return
            except (OSError, RedisError):
                pass
            await asyncio.sleep(0.05)


async def say(client: Redis, *words: object) -> object:
    answer: object = await client.execute_command(*words)  # type: ignore[no-untyped-call]
    return answer


@dataclass
class Watched:
    url: str
    master: RedisServer
    replica: RedisServer


@asynccontextmanager
async def sentinels(folder: Path) -> AsyncIterator[Watched]:
    """One master, one replica, three sentinels that give a master one second to answer."""
    async with AsyncExitStack() as stack:
        master = await stack.enter_async_context(redis_server(folder / "master"))
        replica = await stack.enter_async_context(
            redis_server(folder / "replica", "--replicaof", "127.0.0.1", str(master.port))
        )
        watchers = [await _sentinel(stack, folder / f"sentinel-{n}", master.port) for n in range(3)]

        async def settled() -> bool:
            for watcher in watchers:
                async with watcher.client() as client:
                    state: Any = await client.sentinel_master("main")
                    if state["num-other-sentinels"] != 2 or state["num-slaves"] != 1:
                        return False
            return True

        await patiently(settled)
        hosts = ",".join(f"127.0.0.1:{watcher.port}" for watcher in watchers)
        yield Watched(f"redis+sentinel://{hosts}/main", master, replica)


async def _sentinel(stack: AsyncExitStack, folder: Path, master: int) -> RedisServer:
    folder.mkdir(parents=True)
    configuration = folder / "sentinel.conf"
    configuration.write_text(
        f"sentinel monitor main 127.0.0.1 {master} 2\n"
        "sentinel down-after-milliseconds main 1000\nsentinel failover-timeout main 5000\n"
    )
    server = RedisServer(folder)
    await server.start(str(configuration), "--sentinel")
    stack.push_async_callback(server.killed)
    return server


@dataclass
class Cluster:
    url: str
    masters: list[RedisServer]
    replica: RedisServer


@asynccontextmanager
async def cluster(folder: Path) -> AsyncIterator[Cluster]:
    """Three masters; the first has a replica, which takes over about two seconds after its death."""
    async with AsyncExitStack() as stack:
        servers, buses = [], []
        for number in range(4):
            place = folder / f"node-{number}"
            place.mkdir(parents=True)
            buses.append(choose(place / "bus"))
            options = (
                "--cluster-enabled", "yes", "--cluster-node-timeout", "1000", "--cluster-port", str(buses[-1]),
                "--cluster-config-file", "nodes.conf",
            )  # fmt: skip
            servers.append(await stack.enter_async_context(redis_server(place, *options)))
        masters, replica = servers[:3], servers[3]
        await _meet(servers, buses)
        await _share(masters)
        await _follow(masters[0], replica)
        await patiently(lambda: _whole(servers))
        # The last one named does not exist: any that answers will do.
        hosts = ",".join(f"127.0.0.1:{port}" for port in (servers[1].port, servers[2].port, 1))
        yield Cluster(f"redis+cluster://{hosts}", masters, replica)


async def _meet(servers: list[RedisServer], buses: list[int]) -> None:
    for server in servers[1:]:
        async with server.client() as client:
            await say(client, "CLUSTER", "MEET", "127.0.0.1", servers[0].port, buses[0])


async def _share(masters: list[RedisServer]) -> None:
    for number, server in enumerate(masters):
        first, past = number * SLOTS // 3, (number + 1) * SLOTS // 3
        async with server.client() as client:
            await say(client, "CLUSTER", "ADDSLOTSRANGE", first, past - 1)


async def _follow(master: RedisServer, replica: RedisServer) -> None:
    async with master.client() as client:
        name = await say(client, "CLUSTER", "MYID")

    async def following() -> bool:
        async with replica.client() as client:
            return await say(client, "CLUSTER", "REPLICATE", name) in ("OK", True)

    await patiently(following)


async def _whole(servers: list[RedisServer]) -> bool:
    for server in servers:
        async with server.client() as client:
            state = str(await client.execute_command("CLUSTER INFO"))  # type: ignore[no-untyped-call]
            if "'cluster_state': 'ok'" not in state or "'cluster_known_nodes': '4'" not in state:
                return False
    async with servers[3].client() as client:
        return bool((await client.info("replication"))["master_link_status"] == "up")
