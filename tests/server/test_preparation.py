"""What the log says of a MongoDB that does not answer: a wrong port, a name and TLS look different."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import pytest
import structlog
from pymongo.errors import ServerSelectionTimeoutError

from domain.errors import unavailable
from server.preparation import prepare_when_it_answers
from store import reachability
from store.database import Database
from store.reachability import kind_of

Logged = list[dict[str, object]]


async def _logged(url: str, again: int, monkeypatch: pytest.MonkeyPatch) -> Logged:
    """Until an attempt in vain has shown why, and so many more; then one succeeds."""
    monkeypatch.setattr(reachability, "REACH_SECONDS", 1.0)
    database = Database(url)

    async def prepare() -> None:
        nonlocal again
        again -= any(map(_says_why, logs))
        if again >= 0:
            await reachability.require(database.db)

    try:
        with structlog.testing.capture_logs() as logs:
            async with asyncio.timeout(60):
                await prepare_when_it_answers(prepare)
    finally:
        database.close()
    return [dict(entry) for entry in logs if _says_why(entry) or "cause" not in entry]


def _says_why(entry: Mapping[str, Any]) -> bool:
    """On a busy machine a second may be over before anything was tried."""
    return " " in entry.get("cause", "")


def _waits(cause: str) -> dict[str, object]:
    return {"event": "MongoDB does not answer; trying again", "log_level": "warning", "cause": cause}


ANSWERS = {"event": "MongoDB answers", "log_level": "info"}


async def test_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Told once, however often it is tried."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    url = f"mongodb://user:hidden-word@127.0.0.1:{port}/spotter?replicaSet=spotter"
    assert await _logged(url, 1, monkeypatch) == [_waits("ServerSelectionTimeoutError ECONNREFUSED"), ANSWERS]


async def test_tls_with_a_server_that_has_none(mongo_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    place, kind = urlsplit(mongo_url), "ServerSelectionTimeoutError"
    (waits, _) = await _logged(f"mongodb://{place.netloc}/spotter?replicaSet=spotter&tls=true", 0, monkeypatch)
    # The server hangs up on what it does not understand; Python 3.11 and OpenSSL have different words for it.
    words = ("UNEXPECTED_EOF_WHILE_READING", "TLS/SSL connection has been closed", "ECONNRESET")
    assert waits["cause"] in [f"{kind} {word}" for word in words]


async def test_another_cause_is_told_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """And each once, in whichever order they come."""
    errors = [TimeoutError(), socket.gaierror(socket.EAI_AGAIN, "user:hidden-word@host"), TimeoutError()]

    async def prepare() -> None:
        if errors:
            raise unavailable() from errors.pop(0)

    async def at_once(seconds: float) -> None:
        pass

    monkeypatch.setattr(asyncio, "sleep", at_once)
    with structlog.testing.capture_logs() as logs:
        await prepare_when_it_answers(prepare)
    assert logs == [_waits("TimeoutError"), _waits("gaierror EAI_AGAIN"), ANSWERS]


def test_texts_are_left_out() -> None:
    error = RuntimeError("hidden-word")
    error.__cause__ = ServerSelectionTimeoutError("hidden-word:27017: [SSL: CERTIFICATE_VERIFY_FAILED] hidden-word")
    assert kind_of(error) == "ServerSelectionTimeoutError CERTIFICATE_VERIFY_FAILED"
    assert kind_of(ServerSelectionTimeoutError("hidden-word")) == "ServerSelectionTimeoutError"
