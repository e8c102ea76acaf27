"""How long a logout on one node takes to cut the sockets on another: with Redis, without, and in a burst.

    python -m bench.revocation [--rounds 30] [--burst 1000]

Two real processes on one MongoDB; the promise is 2 s. Time counts from before the request to the socket's end.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
from pathlib import Path

import aiohttp

from bench.contestants import ROOT
from server import embedded
from server.app import utc_now
from server.security.tokens import AccessTokens
from store.database import Database
from store.store import Store
from tests.harness.light_sockets import all_gone, open_sockets
from tests.harness.nodes import SECRET
from tests.harness.people import People, Person
from tests.together.processes import Served, served

DEAD_REDIS = "redis://127.0.0.1:1/0"
_TIMEOUT_SECONDS = 30.0


async def logout(http: aiohttp.ClientSession, node: Served, person: Person) -> None:
    headers = {"Authorization": f"Bearer {person.token}"}
    async with http.post(f"{node.url}/v1/auth/logout", headers=headers) as answer:
        assert answer.status == 204


async def one_by_one(http: aiohttp.ClientSession, nodes: list[Served], people: People, rounds: int) -> list[float]:
    loop = asyncio.get_running_loop()
    times: list[float] = []
    person = await people.make()
    devices = [await people.another_device(person) for _ in range(rounds)]
    async with open_sockets(nodes[1].url, [device.token for device in devices]) as lights:
        for device, light in zip(devices, lights, strict=True):
            started = loop.time()
            await logout(http, nodes[0], device)
            times.append(await all_gone([light], _TIMEOUT_SECONDS) - started)
    return times


async def burst(http: aiohttp.ClientSession, nodes: list[Served], people: People, size: int) -> list[float]:
    """From each answer to its cut; the requests themselves queue at the node that takes them."""
    loop = asyncio.get_running_loop()
    person = await people.make()
    devices = [await people.another_device(person) for _ in range(size)]
    answered: list[float] = []

    async def end(device: Person) -> None:
        await logout(http, nodes[0], device)
        answered.append(loop.time())

    async with open_sockets(nodes[1].url, [device.token for device in devices]) as lights:
        await asyncio.gather(*(end(device) for device in devices))
        await all_gone(lights, _TIMEOUT_SECONDS)
        ends = sorted([light.gone.result() for light in lights])
        return [max(0.0, end - answer) for end, answer in zip(ends, sorted(answered), strict=True)]


def report(name: str, times: list[float]) -> None:
    times.sort()
    figures = (statistics.median(times), times[int(len(times) * 0.99)], times[-1])
    print(f"{name:<28}" + "".join(f"{seconds * 1000:>10.1f}" for seconds in figures), flush=True)


async def measure(rounds: int, size: int, data: Path) -> None:
    print(f"{'milliseconds':<28}{'median':>10}{'p99':>10}{'most':>10}")
    async with embedded.servers(data) as urls, aiohttp.ClientSession() as http:
        assert urls.mongo_url is not None
        assert urls.redis_url is not None
        database = Database(urls.mongo_url)
        people = People(Store(database), AccessTokens(SECRET), utc_now)
        for name, redis_url in (("Redis up", urls.redis_url), ("Redis down", DEAD_REDIS)):
            async with (
                served(urls.mongo_url, redis_url, data / "first") as first,
                served(urls.mongo_url, redis_url, data / "second") as second,
            ):
                nodes = [first, second]
                report(f"{name}, one by one", await one_by_one(http, nodes, people, rounds))
                report(f"{name}, {size} at once", await burst(http, nodes, people, size))
        database.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.revocation", description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--burst", type=int, default=1000)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=ROOT, prefix=".bench-") as data:
        asyncio.run(measure(chosen.rounds, chosen.burst, Path(data)))


if __name__ == "__main__":
    main()
