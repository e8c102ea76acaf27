"""``run.py`` with everything that libraries have to say in its log."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.faults.served import Served, environment
from tests.harness import forked

# ``run.py`` with everything that these loggers have to say.
PROGRAM = """
import logging, sys
from server import cli
from server.observability import logging as ours

configure = ours.configure
def loud(**options):
    configure(**{**options, "level": logging.LEVEL})
    for name in (NAMES):
        logging.getLogger(name).setLevel(logging.DEBUG)
ours.configure = loud
sys.exit(cli.main([]))
"""
LIBRARIES = (
    "aiohttp.server", "aiohttp.access", "aiohttp.web", "aiohttp.websocket", "aiohttp.internal", "aiohttp.client",
    "engineio", "socketio", "asyncio",
)  # fmt: skip
CLIENTS = (
    "httpx", "httpcore", "httpcore.connection", "httpcore.http2", "httpcore.http11", "hpack.hpack", "google.auth",
)  # fmt: skip
# Every library; the clients of push services alone.
LOUD = PROGRAM.replace("LEVEL", "DEBUG").replace("NAMES", f"*logging.Logger.manager.loggerDict, *{LIBRARIES}")
LOUD_CLIENTS = PROGRAM.replace("LEVEL", "INFO").replace("NAMES", f"*{CLIENTS},")


@asynccontextmanager
async def loud(data_dir: Path, program: str = LOUD, **settings: str) -> AsyncIterator[Served]:
    file = data_dir / "loud.py"
    file.write_text(program)
    process = await forked.start(file, (), data_dir, environment(data_dir, **settings))
    served = Served(process, data_dir, settings)
    try:
        served.url = (await served.prints(re.compile(r"^Spotter serves at (http://\S+)$", re.MULTILINE)))[1]
        yield served
    finally:
        if process.returncode is None:
            await served.terminate()
