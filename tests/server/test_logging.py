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


LIBRARIES = """
import gc, logging, sys, threading, warnings
import structlog
from server.observability.logging import configure

configure(production=True, level=logging.DEBUG)
words, theirs = sys.argv[1], logging.getLogger("theirs")
theirs.warning("%s asked %r for %d and %.1f", words, [words], 7, 0.5)
theirs.warning("named %(words)s %(count)d", {"words": words, "count": 8})
theirs.warning(f"put together: {words}")
theirs.warning("with " + words)
theirs.warning({"words": words})
theirs.warning("too few %s %s", words)
theirs.warning("no number %d", words)
theirs.warning("a large %d", 10 ** 5000)
theirs.warning("where", stack_info=True)
warnings.warn(words)
logging.getLogger("server.kept").warning("%s ended (%s)", "mongod", ValueError(words))
ours = structlog.get_logger("ours")
for number, secret in enumerate((
    f"eyJhbGciOiJIUzI1NiJ9.{words}.c2ln", f"Bearer {words}", f"bearer, {words}", f"mongodb://user:{words}@host/db",
    f"/x?token={words}", f"/x?a=1&refresh_token={words}&b=2", f"/v1/calendar/{words}.ics",
)):
    ours.warning(f"before {secret} after", value={"nested": secret}, number=number)
ours.warning("long", value="x" * 1_000_000)

def fail():
    raise ValueError(words)

thread = threading.Thread(target=fail)
thread.start()
thread.join()
class Bad:
    def __del__(self):
        fail()
Bad()
gc.collect()
fail()
"""


def test_of_libraries_only_what_they_are_written_with_is_logged() -> None:
    words = "meetMeAtTheOldMill"
    command = [sys.executable, "-c", LIBRARIES, words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (1, "")
    assert words not in done.stderr
    assert max(map(len, done.stderr.splitlines())) < 20_000
    entries = [json.loads(line) for line in done.stderr.splitlines()]
    events = [entry["event"] for entry in entries if entry["logger"] == "theirs"]
    assert events[:2] == ["… asked '…' for 7 and 0.5", "named … 8"]
    assert [event.partition(" at ")[0] for event in events[2:5]] == ["…"] * 3
    assert events[5:] == ["too few %s %s", "no number %d", "a large %d", "where"]
    (warned,) = [entry for entry in entries if entry["logger"] == "py.warnings"]
    assert (warned["category"], warned["line"]) == ("UserWarning", 17)
    assert "mongod ended (ValueError)" in {entry["event"] for entry in entries}
    secrets = [entry for entry in entries if "number" in entry]
    assert len(secrets) == 7 and all("…" in entry["event"] and "…" in entry["value"] for entry in secrets)
    hooked = [entry for entry in entries if entry["logger"] == "uncaught"]
    assert len(hooked) == 3 and all("in fail" in entry["place"] for entry in hooked)
