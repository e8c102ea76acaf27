"""``python -m sandbox``: the sandbox as a process that needs nothing else of ours. ``run.py`` starts it like this."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from pathlib import Path

from sandbox.delivery import Endpoint
from sandbox.server import WEBHOOK_SECRET, Sandbox


async def run(port: int, file: Path, webhook: str, linger: float | None = None) -> int:
    """Serve until SIGTERM or SIGINT, or until no keeper is left; answers the exit code."""
    sandbox = Sandbox(port=port, file=file, endpoints=[Endpoint(webhook, [WEBHOOK_SECRET])], linger=linger)
    stop = sandbox.keepers.over
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        url = await sandbox.start()
    except OSError as error:
        print(f"Cannot listen on 127.0.0.1:{port}: {error.strerror}. Set SANDBOX_PORT.", file=sys.stderr)
        return 1
    print(f"The Stripe sandbox serves at {url} and sends webhooks to {webhook}", flush=True)
    watching = asyncio.create_task(sandbox.keepers.watch())
    await stop.wait()
    watching.cancel()
    await sandbox.stop()
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="sandbox")
    parser.add_argument("--port", type=int, default=8081)
    parser.add_argument("--file", type=Path, required=True)
    parser.add_argument("--webhook", required=True, metavar="URL")
    parser.add_argument("--linger", type=float, metavar="SECONDS", help="end this long after the last keeper was seen")
    given = parser.parse_args()
    sys.exit(asyncio.run(run(given.port, given.file, given.webhook, given.linger)))
