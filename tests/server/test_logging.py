"""What reaches the logs: kinds and places of errors, and nobody's words."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

WORDS = "meet me at the old mill"
PROGRAM = """
import asyncio, gc, logging, sys, warnings
import structlog
from server.observability.logging import configure, log_loop_error

configure(production=sys.argv[1] == "production")
words = sys.argv[2]

def fail():
    try:
        raise KeyError(words)
    except KeyError as error:
        raise ValueError(f"no place for {words}") from error

for log in (structlog.get_logger("ours").exception, logging.getLogger("theirs").exception):
    try:
        fail()
    except ValueError:
        log("it failed")
logging.getLogger("theirs").info("an ordinary line", extra={"kept": "out"})
logging.getLogger("pymongo.command").info("insert %s", words)
logging.getLogger("engineio.server").info("received %s", words)

async def main():
    asyncio.get_running_loop().set_exception_handler(log_loop_error)
    async def forgotten():
        fail()
    task = asyncio.create_task(forgotten())
    await asyncio.wait([task])
    del task
    gc.collect()
    asyncio.get_running_loop().call_soon(fail)
    await asyncio.sleep(0)

asyncio.run(main())
"""


@pytest.mark.parametrize("environment", ["development", "production"])
def test_errors_are_told_without_their_words(environment: str) -> None:
    command = [sys.executable, "-c", PROGRAM, environment, WORDS]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == ""
    assert WORDS not in done.stderr
    assert done.stderr.count("ValueError") >= 4
    assert done.stderr.count("KeyError") >= 4
    assert done.stderr.count("in fail") >= 4
    assert "an ordinary line" in done.stderr
    assert "insert" not in done.stderr and "received" not in done.stderr
    if environment == "production":
        entries = [json.loads(line) for line in done.stderr.splitlines()]
        assert [entry["level"] for entry in entries] == ["error", "error", "info", "error", "error"]
        assert {entry["logger"] for entry in entries} == {"ours", "theirs", "asyncio"}
        assert all(entry["timestamp"].endswith("Z") and entry["event"] for entry in entries)
