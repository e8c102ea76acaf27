"""Acknowledged sends a second, and the server's CPU for each, over real MongoDB and Redis.

Each server runs as one process and as two, with the members of every conversation at different ones. Rounds alternate
between the contestants, so that a slow minute of the machine hits all of them, and each measurement has databases of
its own; the medians and the ratios count, single figures do not. ``--peer`` needs Node.js and measures the Node server
as well; ``--against`` another checkout of ours.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import socket
import statistics
import subprocess
import tempfile
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

from bench.contestants import PEER, ROOT, Contestant, Server, fresh_databases, node, pinned, spotter, twice

Figures = dict[str, Any]
SHOWN = ("cpu_us", "acks_s", "ack_p50", "ack_p99", "del_p99")


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--pairs", type=int, default=100, help="conversations, each of two sockets")
    parser.add_argument("--inflight", type=int, default=2, help="sends a socket has under way")
    parser.add_argument("--peer", action="store_true", help="measure the Node server beside ours")
    parser.add_argument("--against", type=Path, help="measure the server of this checkout beside ours")
    parser.add_argument("--single", action="store_true", help="one process each only, not two as well")
    return parser.parse_args()


async def measure(chosen: argparse.Namespace, data: Path) -> dict[str, list[Figures]]:
    """The figures of every round, by contestant."""
    mine, others = ("0", "1") if (os.cpu_count() or 1) > 1 and shutil.which("taskset") else (None, None)
    contestants = [Contestant(partial(spotter, processors=mine), ROOT)]
    if chosen.against:
        before = partial(spotter, processors=mine, name="spotter, before", root=chosen.against)
        contestants.append(Contestant(before, chosen.against))
    if chosen.peer:
        contestants += [Contestant(partial(node, processors=mine, batch=batch)) for batch in (False, True)]
    results: dict[str, list[Figures]] = {}
    for _ in range(chosen.rounds):
        # Whoever comes first in one round comes last in the next.
        contestants.reverse()
        for contestant, doubled in product(contestants, (False,) if chosen.single else (False, True)):
            async with fresh_databases(contestant, chosen.pairs, data) as databases:
                start = contestant.start if not doubled else partial(twice, contestant, free_port())
                async with start(free_port(), databases) as server:
                    figures = await load(server, chosen, others)
            if figures["acks_s"]:
                # Otherwise the machine was too busy for a single acknowledgement, and there is nothing to count.
                results.setdefault(server.name, []).append(figures)
            print(server.name, json.dumps({name: figures[name] for name in SHOWN}), flush=True)
    return results


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


async def load(server: Server, chosen: argparse.Namespace, processors: str | None) -> Figures:
    command = [
        "node", str(PEER / "load.mjs"), "chat", "--port", str(server.port), "--pid", str(server.pid),
        "--conns", str(2 * chosen.pairs), "--inflight", str(chosen.inflight), "--secs", str(chosen.seconds),
        *server.arguments,
    ]
    process = await asyncio.create_subprocess_exec(
        *pinned(command, processors), cwd=PEER, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    figures: Figures = json.loads(out)
    if figures["lost_acks"] or figures["lost_deliv"]:
        raise SystemExit(f"{server.name} lost messages: {figures}")
    return figures


def report(results: dict[str, list[Figures]]) -> None:
    base = statistics.median(figures["cpu_us"] for figures in results["spotter"])
    print(f"\n{'median of rounds':<29}{'CPU us/message':>16}{'against ours':>14}{'acks/s':>9}{'ack p50 ms':>12}")
    for name, rounds in results.items():
        medians = {key: statistics.median(figures[key] for figures in rounds) for key in SHOWN}
        print(
            f"{name:<29}{medians['cpu_us']:>16.1f}{medians['cpu_us'] / base:>13.2f}x"
            f"{medians['acks_s']:>9.0f}{medians['ack_p50']:>12.1f}"
        )


def main() -> None:
    chosen = options()
    if not shutil.which("node"):
        raise SystemExit("The load generator needs Node.js 18 or later.")
    if chosen.peer and not (PEER / "node_modules").is_dir():
        subprocess.run(["npm", "install", "--no-audit", "--no-fund"], cwd=PEER, check=True)
    with tempfile.TemporaryDirectory(dir=ROOT, prefix=".bench-") as data:
        report(asyncio.run(measure(chosen, Path(data))))


if __name__ == "__main__":
    main()
