"""Alive, ready, metrics: what those who run the server see of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client.parser import text_string_to_metric_families

from server.operations import Operations, operations_app
from tests.faults.proxy import Proxy, mongo_through, proxy, redis_through
from tests.harness.call_gates import CallGate
from tests.harness.devices import Refused, device
from tests.harness.nodes import RunningNode, running_node
from tests.harness.people import People
from tests.server.sockets.raw import raw_socket


@dataclass(frozen=True)
class NodeBehindProxies:
    """A node whose ways to its servers can be cut."""

    running: RunningNode
    mongo: Proxy
    redis: Proxy
    http: aiohttp.ClientSession

    async def get(self, path: str) -> tuple[int, Any]:
        async with self.http.get(self.running.url + path) as response:
            return response.status, await response.json()


@pytest.fixture
async def node_behind_proxies(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[NodeBehindProxies]:
    async with (
        proxy(database_url) as mongo,
        proxy(redis_url) as redis,
        aiohttp.ClientSession() as http,
        running_node(mongo_through(mongo, database_url), redis_through(redis), tmp_path) as running,
    ):
        yield NodeBehindProxies(running, mongo, redis, http)


async def test_ready_with_both(node_behind_proxies: NodeBehindProxies) -> None:
    assert await node_behind_proxies.get("/healthz") == (200, {"status": "ok"})
    assert await node_behind_proxies.get("/readyz") == (200, {"status": "ready", "mongo": "up", "redis": "up"})


async def test_redis_is_only_told_of(node_behind_proxies: NodeBehindProxies) -> None:
    node_behind_proxies.redis.close()
    assert await node_behind_proxies.get("/readyz") == (200, {"status": "ready", "mongo": "up", "redis": "down"})
    await node_behind_proxies.redis.pass_through()
    assert await node_behind_proxies.get("/readyz") == (200, {"status": "ready", "mongo": "up", "redis": "up"})


async def test_without_mongodb_it_is_alive_but_not_ready(node_behind_proxies: NodeBehindProxies) -> None:
    node_behind_proxies.mongo.close()
    loop = asyncio.get_running_loop()
    asked = loop.time()
    assert await node_behind_proxies.get("/readyz") == (503, {"status": "unavailable", "mongo": "down", "redis": "up"})
    assert loop.time() - asked < 8
    assert await node_behind_proxies.get("/healthz") == (200, {"status": "ok"})
    await node_behind_proxies.mongo.pass_through()
    async with asyncio.timeout(15):
        for _ in iter(lambda: None, 0):
            if (await node_behind_proxies.get("/readyz"))[0] == 200:
                break


async def test_commands_say_unavailable_without_mongodb(node_behind_proxies: NodeBehindProxies) -> None:
    node = node_behind_proxies.running.node
    people = People(node.store, node.tokens, node.context.clock)
    client, _, conversation = await people.pair()
    late = await people.another_device(client)
    async with device(node_behind_proxies.running.url, client) as phone:
        node_behind_proxies.mongo.close()
        async with raw_socket(node_behind_proxies.running.url) as raw:
            answer, refusal = await asyncio.gather(phone.ask("conversation:list", {}), raw.connect(late.token))
        assert answer["error"]["code"] == refusal["data"]["code"] == "unavailable"
        assert answer["error"]["retryAfterMs"] == refusal["data"]["retryAfterMs"] > 0
        await node_behind_proxies.mongo.pass_through()
        async with asyncio.timeout(15):
            for _ in iter(lambda: None, 0):
                if (await phone.ask("conversation:list", {}))["ok"]:
                    break
        assert (await phone.send(conversation, "m1"))["seq"] == 1


async def test_while_draining_it_is_not_ready(
    running: RunningNode, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over a connection that stood before: new ones are not taken any more."""
    person = await people.make()
    gate = CallGate(running.node.store.conversations.page)
    monkeypatch.setattr(running.node.store.conversations, "page", gate)
    async with aiohttp.ClientSession() as http, device(running.url, person) as phone:
        async with http.get(f"{running.url}/readyz") as response:
            assert response.status == 200
            await response.read()
        asking = asyncio.create_task(phone.do("conversation:list"))
        await gate.entered.wait()
        stopping = asyncio.create_task(running.node.stop())
        await asyncio.sleep(0)
        async with http.get(f"{running.url}/readyz") as response:
            assert response.status == 503
            assert (await response.json())["status"] == "draining"
        async with http.get(f"{running.url}/socket.io/?EIO=4&transport=polling") as response:
            assert response.status == 503
        assert not stopping.done()
        gate.opened.set()
        # What was asked before the end is answered before the end.
        assert (await asking)["items"] == []
        await stopping
        with pytest.raises(aiohttp.ClientConnectorError):
            await http.get(f"{running.url}/healthz")


@pytest.fixture
async def apart(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[RunningNode]:
    """Operators have a port of their own."""
    async with running_node(database_url, redis_url, tmp_path, OPERATIONS_PORT="0") as running:
        yield running


async def test_what_operators_ask_is_not_public_where_they_have_a_port_of_their_own(apart: RunningNode) -> None:
    own = apart.node.operations_url
    assert own is not None and own.startswith("http://127.0.0.1:") and own != apart.url
    async with aiohttp.ClientSession() as http:
        for path in ("/metrics", "/readyz"):
            async with http.get(apart.url + path) as refused, http.get(own + path) as answered:
                assert (refused.status, refused.content_type) == (404, "application/problem+json")
                assert (await refused.json())["code"] == "not_found"
                assert answered.status == 200
        for url in (apart.url, own):
            async with http.get(f"{url}/healthz") as alive:
                assert (alive.status, await alive.json()) == (200, {"status": "ok"})
        async with http.get(f"{own}/v1/categories") as elsewhere:
            assert (elsewhere.status, (await elsewhere.json())["code"]) == (404, "not_found")


async def test_a_port_of_their_own_tells_of_the_drain_until_its_end(
    apart: RunningNode, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over new connections too, which the public port does not take any more."""
    node, person = apart.node, await people.make()
    gate = CallGate(node.store.conversations.page)
    monkeypatch.setattr(node.store.conversations, "page", gate)
    async with aiohttp.ClientSession() as http, device(apart.url, person) as phone:
        asking = asyncio.create_task(phone.do("conversation:list"))
        await gate.entered.wait()
        stopping = asyncio.create_task(node.stop())
        await asyncio.sleep(0)
        async with http.get(f"{node.operations_url}/readyz") as response:
            assert (response.status, (await response.json())["status"]) == (503, "draining")
        with pytest.raises(aiohttp.ClientConnectorError):
            await http.get(f"{apart.url}/healthz")
        gate.opened.set()
        await asking
        await stopping
        with pytest.raises(aiohttp.ClientConnectorError):
            await http.get(f"{node.operations_url}/readyz")


READY, UNPREPARED = {"status": "ready", "mongo": "up", "redis": "up"}, {"status": "unavailable", "mongo": "up"}
REDIS_DOWN = {"status": "ready", "mongo": "up", "redis": "down"}


@pytest.mark.parametrize(
    ("others", "status", "body"),
    [
        ([], 200, {**READY, "workers": "1 of 1 ready"}),
        ([READY, READY], 200, {**READY, "workers": "3 of 3 ready"}),
        ([READY, UNPREPARED], 503, {**UNPREPARED, "redis": "up", "workers": "2 of 3 ready"}),
        ([READY, REDIS_DOWN], 200, {**REDIS_DOWN, "workers": "3 of 3 ready"}),
    ],
)
async def test_workers_are_ready_together(
    running: RunningNode, others: list[dict[str, str]], status: int, body: dict[str, str]
) -> None:
    """A worker that does not answer is being started again, and takes no connections."""
    node = running.node

    async def briefs() -> list[bytes]:
        return [json.dumps(one).encode() for one in others]

    async def page() -> bytes:
        return b""

    app = operations_app()
    Operations(
        node.database, node.redis, page, lambda: False, lambda: True, lambda: True, briefs
    ).attach(app)
    async with TestClient(TestServer(app)) as http:
        answer = await http.get("/readyz")
        assert (answer.status, await answer.json()) == (status, body)


async def scrape(running: RunningNode) -> dict[str, float]:
    """Every sample, labels included in its name."""
    async with aiohttp.ClientSession() as http, http.get(f"{running.url}/metrics") as response:
        assert response.status == 200
        assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        text = await response.text()
    samples = {}
    for family in text_string_to_metric_families(text):
        assert family.documentation
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            key = f"{sample.name}{{{labels}}}" if labels else sample.name
            assert key not in samples
            samples[key] = sample.value
    return samples


async def test_the_metrics_show_what_happened(running: RunningNode, people: People) -> None:
    client, trainer, conversation = await people.pair()
    async with (
        device(running.url, client, ["/conversations", "/presence"]) as phone,
        device(running.url, trainer) as other,
    ):
        for number in range(3):
            await phone.send(conversation, f"m{number}")
        await phone.send(conversation, "m0")
        with pytest.raises(Refused):
            await phone.send("0" * 24, "m9")
        await phone.ask("made:up:by:a:client", {})
        await other.receive("message:new", 3)
        found = await scrape(running)
    assert found["spotter_sockets"] == found["spotter_users"] == 2
    assert found["spotter_connections"] == 3
    assert found["spotter_handshakes_total"] == 2
    assert found["spotter_log_entries_total"] == 3
    assert found["spotter_log_repeats_total"] == 1
    assert found["spotter_log_waiting"] == 0
    assert found["spotter_commands_total{code=ok,event=message:send}"] == 4
    assert found["spotter_commands_total{code=not_found,event=message:send}"] == 1
    assert found["spotter_commands_total{code=unknown_event,event=?}"] == 1
    assert found["spotter_events_published_total"] >= 4
    assert found["spotter_events_delivered_total"] >= 8
    assert found["spotter_received_bytes_total"] > 300
    assert found["spotter_sent_bytes_total"] > 1000
    assert found["process_resident_memory_bytes"] > 0
    assert not any("made:up" in name or conversation in name or client.id in name for name in found)
    after = await scrape(running)
    assert after["spotter_sockets"] == after["spotter_users"] == after["spotter_connections"] == 0
    assert sum(value for name, value in after.items() if name.startswith("spotter_closes_total")) == 2
