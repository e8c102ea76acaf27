"""Operators see why sockets end: ``spotter_closes`` tells the server's own decisions apart."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families
from websockets.exceptions import ConnectionClosed

from domain.wire.events import CONVERSATIONS, PRESENCE
from server.security.tokens import LIFETIME
from server.sockets import dispatcher
from server.sockets.admission import Admission
from server.sockets.rows import Rate
from tests.harness.clock import RunningClock
from tests.harness.devices import TIMEOUT_SECONDS
from tests.harness.nodes import RunningNode, running_node
from tests.harness.people import People
from tests.server.sockets.raw import admitted, raw_socket

Scenario = Callable[[RunningNode, People, RunningClock], Awaitable[None]]


@pytest.fixture
def clock() -> RunningClock:
    return RunningClock()


@pytest.fixture
async def node(database_url: str, redis_url: str, tmp_path: Path, clock: RunningClock) -> AsyncIterator[RunningNode]:
    async with running_node(database_url, redis_url, tmp_path, clock) as running:
        yield running


async def closes(running: RunningNode) -> Counter[str]:
    async with aiohttp.ClientSession() as http, http.get(f"{running.url}/metrics") as response:
        families = text_string_to_metric_families(await response.text())
        return Counter(
            {
                sample.labels["reason"]: int(sample.value)
                for family in families
                for sample in family.samples
                if sample.name == "spotter_closes_total"
            }
        )


async def first_closes(running: RunningNode) -> Counter[str]:
    """As soon as there are any."""
    async with asyncio.timeout(TIMEOUT_SECONDS):
        while not (found := await closes(running)):
            pass
    return found


async def bad_packet(running: RunningNode, people: People, clock: RunningClock) -> None:
    async with admitted(running.url, (await people.make()).token) as raw:
        await raw.send("x")
        await raw.closed()


async def never_connected(running: RunningNode, people: People, clock: RunningClock) -> None:
    running.node.gateway.connect_within = 0.05
    async with raw_socket(running.url) as raw:
        await raw.closed()


async def session_ended(running: RunningNode, people: People, clock: RunningClock) -> None:
    person = await people.make()
    async with admitted(running.url, person.token) as raw:
        headers = {"Authorization": f"Bearer {person.token}"}
        async with aiohttp.ClientSession(running.url, headers=headers) as http, http.post("/v1/auth/logout") as answer:
            assert answer.status == 204
        await raw.closed()
        assert any(json.dumps("session:revoked") in packet for packet in raw.received)


async def token_expired(running: RunningNode, people: People, clock: RunningClock) -> None:
    person = await people.make()
    clock.advance(seconds=(LIFETIME - timedelta(seconds=1)).total_seconds())
    async with admitted(running.url, person.token) as raw:
        await raw.closed()


async def transport_close(running: RunningNode, people: People, clock: RunningClock) -> None:
    async with admitted(running.url, (await people.make()).token) as raw:
        assert await raw.is_usable()


@pytest.mark.parametrize("scenario", [bad_packet, never_connected, session_ended, token_expired, transport_close])
async def test_it_is_counted_under_its_name(node: RunningNode, clock: RunningClock, scenario: Scenario) -> None:
    people = People(node.node.store, node.node.tokens, clock)
    await scenario(node, people, clock)
    assert await first_closes(node) == {scenario.__name__.replace("_", " "): 1}


async def test_a_flood_of_nobody_s(node: RunningNode, clock: RunningClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is known already is only read more slowly."""
    monkeypatch.setattr(dispatcher, "UNNAMED_RATE", Rate(1e-6, 0))
    admitted_at_last = asyncio.Event()
    read = Admission._read

    async def held(*arguments: Any) -> Any:
        await admitted_at_last.wait()
        return await read(*arguments)

    monkeypatch.setattr(Admission, "_read", held)
    person = await People(node.node.store, node.node.tokens, clock).make()
    async with raw_socket(node.url) as raw:
        await raw.send(f"0{CONVERSATIONS}," + json.dumps({"token": person.token}))
        with suppress(ConnectionClosed):
            # Some are within the limit.
            for _ in range(dispatcher.MAX_OVER_LIMIT + 10):
                await raw.send(f'2{PRESENCE},["x",{{}}]')
        await raw.closed()
    admitted_at_last.set()
    assert await first_closes(node) == {"flood": 1}
