"""A mongod that nobody made a replica set's primary."""

from __future__ import annotations

import asyncio
import json
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from server.embedded import programs

_STARTED_WITHIN_SECONDS = 60.0


@asynccontextmanager
async def lone_mongod(folder: Path, *options: str) -> AsyncIterator[str]:
    """Its URL, without a database, once it takes connections; ``options``: of its command line."""
    data = folder / "mongod"
    data.mkdir()
    program = programs.mongod(folder / "copies")[0]
    command = [program, "--port", "0", "--bind_ip", "127.0.0.1", "--nounixsocket", "--dbpath", str(data)]
    process = await asyncio.create_subprocess_exec(*command, *options, stdout=PIPE, stderr=DEVNULL)
    try:
        assert process.stdout is not None
        async with asyncio.timeout(_STARTED_WITHIN_SECONDS):
            while line := await process.stdout.readline():
                if b"Waiting for connections" in line:
                    break
        assert line, "mongod ended"
        # What it says from here on is nobody's business, and must not fill the pipe.
        reading = asyncio.create_task(process.stdout.read())
        yield f"mongodb://127.0.0.1:{json.loads(line)['attr']['port']}"
        reading.cancel()
    finally:
        process.kill()
        await process.wait()
