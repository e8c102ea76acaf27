"""Several workers on one port: whichever the kernel picks, the client does not notice."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.conversations.js_devices import JsDevice, js_devices
from tests.harness.devices import Device, device
from tests.harness.people import People
from tests.harness.waiting import eventually
from tests.together.workers_program import Program, hopping_device, open_files, program, worker_of
from tests.together.workers_service import workers_program

POLLING, UPGRADE, WEBSOCKET = ("polling",), ("polling", "websocket"), ("websocket",)
ROUNDS = 20
# With what is received of them, no more packets than the Python client takes from one poll (16).
AT_ONCE = 7

_WORKERS = [pytest.param(2, marks=pytest.mark.verify, id="2 workers"), pytest.param(3, id="3 workers")]


@dataclass(frozen=True)
class Spotter:
    program: Program
    people: People
    workers: int

    @property
    def url(self) -> str:
        return self.program.url


@pytest.fixture(scope="module", params=_WORKERS)
async def spotter(
    request: pytest.FixtureRequest, mongo_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Spotter]:
    folder: Path = tmp_path_factory.mktemp("workers")
    count: int = request.param
    async with workers_program(mongo_url, redis_url) as made, program(folder, count, **made.environ) as running:
        yield Spotter(running, made.people, count)
        assert "[error" not in running.said(), running.said()


async def _talk(phone: Device | JsDevice, conversation: str, mark: str) -> None:
    """Many round trips, each acknowledged and received."""
    for number in range(ROUNDS):
        message = await phone.send(conversation, f"{mark}-{number}", f"{mark} {number}")
        assert message["text"] == f"{mark} {number}"
    burst = [phone.send(conversation, f"{mark}-burst-{number}") for number in range(AT_ONCE)]
    assert len({message["id"] for message in await asyncio.gather(*burst)}) == AT_ONCE
    received = await phone.receive("message:new", ROUNDS + AT_ONCE)
    assert len({event["seq"] for event in received}) == len(received)


@pytest.mark.parametrize("transports", [POLLING, UPGRADE, WEBSOCKET], ids="+".join)
async def test_python_clients_whose_every_request_is_a_new_connection(
    spotter: Spotter, transports: tuple[str, ...]
) -> None:
    for _ in range(spotter.workers):
        client, _, conversation = await spotter.people.pair()
        async with hopping_device(spotter.url, client, *transports) as phone:
            await _talk(phone, conversation, "hop")
            assert phone.io.transport() == transports[-1]


@pytest.mark.parametrize("transports", [POLLING, UPGRADE, WEBSOCKET], ids="+".join)
async def test_many_python_clients(spotter: Spotter, transports: tuple[str, ...]) -> None:
    async with AsyncExitStack() as stack:
        talks = []
        for _ in range(6):
            client, _, conversation = await spotter.people.pair()
            phone = await stack.enter_async_context(device(spotter.url, client, transports=transports))
            talks.append(_talk(phone, conversation, "many"))
        await asyncio.gather(*talks)


async def test_javascript_clients(spotter: Spotter) -> None:
    async with js_devices() as devices:
        for transports in (POLLING, UPGRADE, WEBSOCKET) * 2:
            client, _, conversation = await spotter.people.pair()
            phone = await devices.connect(spotter.url, client, transports)
            await _talk(phone, conversation, "js")
            assert await phone.transport() == transports[-1]


async def test_connections_are_spread(spotter: Spotter) -> None:
    async with AsyncExitStack() as stack:
        person = await spotter.people.make()
        phones = [await stack.enter_async_context(device(spotter.url, person)) for _ in range(50)]
        spread = Counter(map(worker_of, phones))
    assert sorted(spread) == [*range(spotter.workers)]
    assert max(spread.values()) <= 45


async def _open(http: aiohttp.ClientSession, url: str) -> str:
    async with http.get(f"{url}/socket.io/?EIO=4&transport=polling") as response:
        return str(json.loads((await response.text())[1:])["sid"])


async def _sid_of_each(url: str, workers: int) -> dict[str, str]:
    found: dict[str, str] = {}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as http:
        while len(found) < workers:
            sid = await _open(http, url)
            found[sid.rpartition(".")[2]] = sid
    return found


async def test_one_connection_for_the_sessions_of_all_workers(spotter: Spotter) -> None:
    """As a proxy uses its connections."""
    token = (await spotter.people.make()).token
    sids = await _sid_of_each(spotter.url, spotter.workers)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as http:

        async def ask(sid: str, packet: str) -> Any:
            """What the session answers."""
            url = f"{spotter.url}/socket.io/?EIO=4&transport=polling&sid={sid}"
            async with http.post(url, data=packet) as response:
                assert (response.status, await response.text()) == (200, "ok")
            async with http.get(url) as response:
                assert response.status == 200
                return await response.text()

        for sid in sids.values():
            connected = await ask(sid, "40/conversations," + json.dumps({"token": token}))
            assert connected.startswith('40/conversations,{"sid":')
        for number in range(30):
            for sid in sids.values():
                answer = await ask(sid, f'42/conversations,{number}["conversation:list",{{}}]')
                assert answer.startswith(f'43/conversations,{number}[{{"ok":true')


async def test_bodies_in_pieces(spotter: Spotter) -> None:
    host, port = spotter.url.removeprefix("http://").split(":")
    for sid in (await _sid_of_each(spotter.url, spotter.workers)).values():
        body = b"\x1e".join([b"3"] * 40)
        head = f"POST /socket.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}"
        request = head.encode() + b"\r\n\r\n" + body
        for at in range(1, len(request)):
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(request[:at])
            await asyncio.sleep(0)
            writer.write(request[at:])
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200"), at
            assert await reader.readexactly(2) == b"ok"
            writer.close()


async def test_no_file_is_left_open(spotter: Spotter) -> None:
    workers = spotter.program.workers()

    async def post_often(times: int) -> None:
        sids: dict[str, str] = {}
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as http:
            for number in range(times):
                if number % 50 == 0:
                    # A session that connects to no namespace lasts for ten seconds.
                    sids = await _sid_of_each(spotter.url, spotter.workers)
                sid = sids[str(number % spotter.workers)]
                url = f"{spotter.url}/socket.io/?EIO=4&transport=polling&sid={sid}"
                async with http.post(url, data="3") as response:
                    assert response.status == 200

    await post_often(20)
    before = {pid: open_files(pid) for pid in workers.values()}
    handed_off = 500 * spotter.workers // (spotter.workers - 1)
    await post_often(handed_off)
    # The driver's pools may have grown meanwhile, on a busy machine by dozens; a leak would show hundreds.
    await eventually(lambda: all(open_files(pid) <= count + 40 for pid, count in before.items()))


async def test_one_page_of_metrics_for_all_workers(spotter: Spotter) -> None:
    sids = await _sid_of_each(spotter.url, spotter.workers)
    async with aiohttp.ClientSession() as http, http.get(f"{spotter.url}/metrics") as response:
        families = {family.name: family for family in text_string_to_metric_families(await response.text())}
    opened = {sample.labels["worker"]: sample.value for sample in families["spotter_handshakes"].samples}
    assert opened.keys() == sids.keys()
    assert all(opened.values())
    given, taken = (sum(s.value for s in families[f"spotter_{name}"].samples) for name in ("handed_over", "adopted"))
    assert given == taken


@pytest.mark.parametrize("transports", [POLLING, UPGRADE, WEBSOCKET], ids="+".join)
async def test_what_one_worker_commits_is_received_at_the_others(spotter: Spotter, transports: tuple[str, ...]) -> None:
    client, trainer, conversation = await spotter.people.pair()
    async with AsyncExitStack() as stack:
        here = await stack.enter_async_context(hopping_device(spotter.url, client, *transports))
        there: dict[int, Device] = {}
        while len(there) < spotter.workers:
            phone = await stack.enter_async_context(device(spotter.url, trainer, transports=transports))
            there.setdefault(worker_of(phone), phone)
        for number in range(ROUNDS):
            await here.send(conversation, f"across-{number}")
        for phone in there.values():
            received = await phone.receive("message:new", ROUNDS)
            assert [event["seq"] for event in received] == [*range(1, ROUNDS + 1)]
