"""SIGTERM: what was taken is finished, everybody is sent away to reconnect, and the process is gone in time."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest

from domain.wire.events import CONVERSATIONS, PRESENCE
from server import draining
from server.app import utc_now
from server.draining import BROKEN_OFF_SECONDS, DRAIN_SECONDS
from server.security.tokens import AccessTokens
from store.database import Database
from store.store import Store
from tests.faults.conftest import OwnServers
from tests.faults.phones import Phone, phone
from tests.faults.proxy import Proxy, mongo_through
from tests.faults.served import Served, serving
from tests.harness.devices import device
from tests.harness.freezing import frozen
from tests.harness.nodes import SECRET, running_node
from tests.harness.people import People
from tests.harness.waiting import eventually, until
from tests.server.sockets.polling import Poller
from tests.server.sockets.raw import raw_socket
from tests.together.presence_nodes import changes, watch
from tests.together.processes import prepared


@pytest.fixture
async def people(database: Database) -> People:
    store = Store(database)
    await store.prepare()
    return People(store, AccessTokens(SECRET), utc_now)


@pytest.fixture
async def server(tmp_path: Path, database_url: str, redis_url: str) -> AsyncIterator[Served]:
    async with serving(tmp_path, MONGO_URL=database_url, REDIS_URL=redis_url) as served:
        yield served


async def pair(server: Served, people: People, number: int, stack: AsyncExitStack) -> tuple[Phone, Phone]:
    client, trainer, conversation = await people.pair()
    one = await stack.enter_async_context(phone(server.url, f"c{number}", client.token, conversation))
    other = await stack.enter_async_context(phone(server.url, f"t{number}", trainer.token, conversation))
    return one, other


@pytest.mark.parametrize("count", [16, pytest.param(50, marks=pytest.mark.verify)])
async def test_talking_phones_change_servers(server: Served, people: People, count: int) -> None:
    async with AsyncExitStack() as stack:
        pairs = await asyncio.gather(*(pair(server, people, number, stack) for number in range(count // 2)))
        phones = [one for two in pairs for one in two]
        stop = asyncio.Event()
        talking = [asyncio.create_task(talk(one, stop)) for one in phones]
        await asyncio.gather(*(some(one, 3) for one in phones))
        server.process.send_signal(signal.SIGTERM)
        code, seconds = await server.terminate()
        assert code == 0
        assert seconds < DRAIN_SECONDS
        following = await server.again()
        try:
            assert following.url == server.url
            await asyncio.gather(*(one.connected(2) for one in phones))
            stop.set()
            await asyncio.gather(*talking)
            assert {ending for one in phones for ending in one.endings} == {"transport error"}
            for one, other in pairs:
                await assert_all_there(one, other)
        finally:
            await following.terminate()


async def talk(one: Phone, stop: asyncio.Event) -> None:
    number = 0
    while not stop.is_set():
        await one.send(number)
        number += 1


async def some(one: Phone, count: int) -> None:
    async with asyncio.timeout(30):
        for _ in iter(lambda: len(one.acknowledged) >= count, True):
            await asyncio.sleep(0.01)


async def assert_all_there(one: Phone, other: Phone) -> None:
    entries, same = await asyncio.gather(one.sync(), other.sync())
    assert entries == same
    assert [entry["seq"] for entry in entries] == list(range(1, len(entries) + 1))
    stored = {entry["message"]["clientMessageId"]: entry["message"]["id"] for entry in entries}
    acknowledged = {**one.acknowledged, **other.acknowledged}
    assert stored == {key: message["id"] for key, message in acknowledged.items()}
    assert len(entries) == len(stored)


async def test_a_client_that_only_polls_changes_servers(server: Served, people: People) -> None:
    client, _, conversation = await people.pair()
    async with phone(server.url, "p", client.token, conversation, ["polling"]) as poller:
        await poller.send(1)
        code, seconds = await server.terminate()
        assert (code, seconds < DRAIN_SECONDS) == (0, True)
        assert await poller.parted() == "transport error"
        following = await server.again()
        try:
            await poller.connected(2)
            await poller.send(2)
            assert [entry["seq"] for entry in await poller.sync()] == [1, 2]
        finally:
            await following.terminate()


async def test_those_who_answer_nothing_hold_nobody_up(server: Served, people: People) -> None:
    """Sockets that were never connected, do not read, do not close; a poll that is open."""
    person = await people.make()
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession())
        poller = await Poller.open(server.url, http)
        await poller.connect(person.token)
        polling = asyncio.create_task(poller.packet())
        for _ in range(5):
            idle = await stack.enter_async_context(raw_socket(server.url))
            idle.websocket.transport.pause_reading()
            stack.callback(idle.websocket.transport.abort)
        code, seconds = await server.terminate()
        assert (code, seconds < DRAIN_SECONDS) == (0, True)
        await asyncio.gather(polling, return_exceptions=True)


@pytest.mark.parametrize("workers", ["1", pytest.param("2", marks=pytest.mark.verify)])
async def test_a_database_that_hangs_in_the_middle_of_commands_is_not_waited_for(
    own_servers: OwnServers, tmp_path: Path, workers: str
) -> None:
    """What was asked of it is given up in its time: the end is as orderly as any, and waits for no thread."""
    environ = {"MONGO_URL": own_servers.mongo_url, "REDIS_URL": own_servers.redis_url, "WORKERS": workers}
    database = Database(own_servers.mongo_url)
    try:
        async with serving(tmp_path, **environ) as server, AsyncExitStack() as stack:
            people = People(Store(database), AccessTokens(SECRET), utc_now)
            client, _, conversation = await people.pair()
            await prepared(server.url, 10 * int(workers))
            one = await stack.enter_async_context(device(server.url, client))
            await one.send(conversation, "before")
            with frozen(own_servers.mongod):
                sending = asyncio.create_task(one.send(conversation, "meanwhile"))
                async with aiohttp.ClientSession() as http, http.get(f"{server.url}/readyz") as response:
                    # It takes a moment to say so: by then the message has arrived.
                    assert response.status == 503
                code, seconds = await server.terminate()
                await one.disconnected.wait()
            sending.cancel()
            assert (code, seconds < DRAIN_SECONDS) == (0, True)
            assert "[error" not in server.logged
    finally:
        database.close()


def test_the_parts_of_an_end_are_over_before_it_is_broken_off() -> None:
    one_after_the_other = (
        max(draining.WORK_SECONDS, draining.COMMANDS_SECONDS),
        max(draining.SOCKETS_SECONDS, draining.MAILS_SECONDS),
        draining.REQUESTS_SECONDS,
        draining.WRITES_SECONDS,
        draining.PRESENCE_SECONDS,
        draining.DATABASE_SECONDS,
    )
    assert sum(one_after_the_other) <= BROKEN_OFF_SECONDS - 0.3


async def test_whose_session_has_ended_receives_nothing_while_the_node_ends(
    people: People, database_url: str, redis_url: str, mongo_proxy: Proxy, tmp_path: Path
) -> None:
    """It could not know of it, and served nobody: that goes on until the last socket is closed."""
    client, trainer, conversation = await people.pair(begun=True)
    here = {"MONGO_URL": mongo_through(mongo_proxy, database_url), "REDIS_URL": redis_url}
    async with (
        serving(tmp_path, **here) as ending,
        running_node(database_url, redis_url, tmp_path / "staying") as staying,
        device(staying.url, trainer) as sender,
        AsyncExitStack() as stack,
    ):
        revoked = [await stack.enter_async_context(device(ending.url, client)) for _ in range(4)]
        # The node knows then from where on they receive the conversation.
        await sender.send(conversation, "before")
        for each in revoked:
            await each.receive("message:new")
            each.received.clear()
        mongo_proxy.blackhole()
        assert await staying.node.store.accounts.end_all_sessions(client.id, "logout_all", utc_now())
        async with aiohttp.ClientSession() as http:
            await eventually(lambda: vouches_for_nobody(http, ending.url))
        # Keeps the node for as long as it gives its commands.
        command = {"conversationId": conversation, "clientMessageId": "m", "text": "held"}
        await revoked[0].io.emit("message:send", command, namespace=CONVERSATIONS)
        terminating = asyncio.create_task(ending.terminate())
        number = 0
        while not terminating.done():
            await sender.send(conversation, f"secret {number}")
            number += 1
        code, _ = await terminating
        assert code == 0
        assert number > 0
        assert [each.events("message:new") for each in revoked] == [[]] * 4


async def test_who_is_blocked_is_seen_no_more_while_the_node_ends(
    people: People, database_url: str, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, trainer, _ = await people.pair(begun=True)
    async with (
        running_node(database_url, redis_url, tmp_path / "staying") as staying,
        running_node(database_url, redis_url, tmp_path / "ending") as ending,
        device(staying.url, client, (PRESENCE,)),
        device(ending.url, trainer, (PRESENCE,)) as watching,
    ):
        await watch(watching, client)
        # For as long as a command is at work.
        finished = asyncio.Event()
        monkeypatch.setattr(draining, "COMMANDS_SECONDS", 3 * DRAIN_SECONDS)
        monkeypatch.setattr(ending.node.dispatcher, "drain", finished.wait)
        stopping = asyncio.create_task(ending.node.stop())
        await until(lambda: ending.node.draining)
        assert await staying.node.store.user_blocks.add(client.id, trainer.id, None, utc_now())
        await watching.until(lambda phone: changes(phone, client)[-1:] == ["offline"])
        finished.set()
        await stopping


async def vouches_for_nobody(http: aiohttp.ClientSession, url: str) -> bool:
    """It takes two seconds to say that MongoDB does not answer: as many as revocations may be behind."""
    async with http.get(f"{url}/readyz") as response:
        return bool((await response.json())["mongo"] == "down")


@pytest.mark.soak
async def test_a_database_that_hangs_does_not_hold_it_up(tmp_path: Path, mongo_url: str, redis_url: str) -> None:
    """Started on a MongoDB of its own, which then answers nothing any more."""
    async with serving(tmp_path, REDIS_URL=redis_url) as served:
        pid = int((tmp_path / "embedded" / "mongod" / "mongod.lock").read_text())
        async with aiohttp.ClientSession() as http:
            with frozen(pid):
                login = asyncio.create_task(try_login(http, served.url))
                async with http.get(f"{served.url}/readyz") as response:
                    assert response.status == 503
                _, seconds = await served.terminate()
            assert seconds < DRAIN_SECONDS + 1
            await login


async def try_login(http: aiohttp.ClientSession, url: str) -> None:
    try:
        async with http.post(f"{url}/v1/auth/login", json={"email": "a@example.com", "password": "x" * 10}):
            pass
    except aiohttp.ClientError:
        pass
