"""A program that uses embedded servers until its standard input ends: ``program.py DATA_DIR [mongo] [redis]``."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from server import embedded


async def main() -> None:
    data, *names = sys.argv[1:]
    async with embedded.servers(Path(data), mongo="mongo" in names, redis="redis" in names) as urls:
        print(json.dumps([urls.mongo_url, urls.redis_url]), flush=True)
        await asyncio.to_thread(sys.stdin.read)


asyncio.run(main())
