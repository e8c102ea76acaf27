"""Ten thousand sockets leave at once: what each costs the server, and whether its memory comes back.

    python -m bench.leaving [--sockets 1000 10000 10000 10000]

Each is in three namespaces. The server is a real process; its CPU time and memory are read from /proc.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from pathlib import Path

import aiohttp

from bench.contestants import ROOT
from domain.wire.events import NAMESPACES
from server import embedded
from server.app import utc_now
from server.security.tokens import AccessTokens
from store.database import Database
from store.store import Store
from tests.harness.light_sockets import open_sockets
from tests.harness.nodes import SECRET
from tests.harness.people import People
from tests.together.processes import served


async def measure(counts: list[int], data: Path) -> None:
    async with embedded.servers(data) as urls, aiohttp.ClientSession() as http:
        assert urls.mongo_url is not None
        assert urls.redis_url is not None
        async with served(urls.mongo_url, urls.redis_url, data / "node") as node:
            database = Database(urls.mongo_url)
            people = People(Store(database), AccessTokens(SECRET), utc_now)
            persons = [await people.make() for _ in range(200)]
            print(f"{'sockets':>8}{'seconds':>9}{'CPU us each':>13}{'MB before':>11}{'MB with':>9}{'MB after':>10}")
            for count in counts:
                tokens = [persons[at % len(persons)].token for at in range(count)]
                before = node.megabytes()
                async with open_sockets(node.url, tokens, *NAMESPACES) as lights:
                    held, cpu, started = node.megabytes(), node.cpu_seconds(), time.monotonic()
                    for light in lights:
                        light.leave()
                    while await node.figure(http, "spotter_sockets"):  # noqa: ASYNC110 - another process's
                        await asyncio.sleep(0.02)
                    seconds, cpu = time.monotonic() - started, node.cpu_seconds() - cpu
                print(
                    f"{count:>8}{seconds:>9.2f}{cpu / count * 1e6:>13.0f}"
                    f"{before:>11.1f}{held:>9.1f}{node.megabytes():>10.1f}",
                    flush=True,
                )
            database.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.leaving", description=__doc__)
    parser.add_argument("--sockets", type=int, nargs="+", default=[1000, 10_000, 10_000, 10_000])
    with tempfile.TemporaryDirectory(dir=ROOT, prefix=".bench-") as data:
        asyncio.run(measure(parser.parse_args().sockets, Path(data)))


if __name__ == "__main__":
    main()
