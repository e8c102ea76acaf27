"""Connections to MongoDB stall and are not reset, as when a firewall forgets them: nobody waits for their end."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest

from domain.errors import Code, DomainError
from server.app import utc_now
from store import concurrency, watermarks
from store.command_budget import Budget, within
from store.database import Database
from store.log.documents import MESSAGES
from store.log.log import Log
from store.store import Store
from store.user_blocks import TRUSTED_SECONDS
from store.watermarks import Marks, Watermarks
from tests.faults.conftest import Proxied
from tests.faults.proxy import Proxy, mongo_through, proxy
from tests.faults.tap import tapped
from tests.harness.devices import Device, device
from tests.harness.nodes import PROMISED_SECONDS
from tests.harness.people import People, Person
from tests.harness.waiting import eventually
from tests.store.writing import a_change, a_message, new_id, write

# What a command may take: ten seconds and two. A connection that is not given up before is noticed after twenty.
ANSWERED_WITHIN_SECONDS = 12.0
PAIRS = 6
REMEMBERED_SECONDS = 1.5 * TRUSTED_SECONDS


@dataclass
class Talker:
    """A client's device, and its conversation."""

    person: Person
    device: Device
    conversation: str
    sent: int = 0

    async def say(self) -> int:
        self.sent += 1
        return int((await self.device.send(self.conversation, f"m{self.sent}"))["seq"])

    async def read(self) -> None:
        await self.device.do("conversation:seen", {"conversationId": self.conversation, "seq": self.sent})


@pytest.fixture
async def talkers(proxied: Proxied) -> AsyncIterator[list[Talker]]:
    node = proxied.running.node
    people = People(node.store, node.tokens, utc_now)
    async with AsyncExitStack() as stack:
        made = []
        for _ in range(PAIRS):
            client, _, conversation = await people.pair()
            phone = await stack.enter_async_context(device(proxied.running.url, client))
            made.append(Talker(client, phone, conversation))
        await asyncio.gather(*(talker.say() for talker in made))
        yield made


async def command_until_silenced(talkers: list[Talker], proxied: Proxied) -> None:
    """Every command is acknowledged at its first try, until what was remembered before the fault is too old."""
    loop = asyncio.get_running_loop()
    until = math.inf
    while loop.time() < until:
        if not proxied.mongo.to_stall:
            until = min(until, loop.time() + REMEMBERED_SECONDS)
        async with asyncio.timeout(ANSWERED_WITHIN_SECONDS):
            await asyncio.gather(*(talker.say() for talker in talkers))
            await asyncio.gather(*(talker.read() for talker in talkers))


@pytest.mark.parametrize(
    ("command", "collection", "count"),
    [
        ("insert", "messages", 2),
        ("update", "conversationParticipants", 1),
        # A chore of the node asks for the same: one of these is a sender's.
        ("find", "userBlocks", 2),
    ],
)
async def test_what_many_wait_for_is_tried_by_another(
    proxied: Proxied, talkers: list[Talker], command: str, collection: str, count: int
) -> None:
    proxied.mongo.stall(command.encode() + b"\0", collection.encode() + b"\0", count=count)
    await command_until_silenced(talkers, proxied)


async def test_a_change_whose_last_answer_was_lost_is_announced(database_url: str) -> None:
    """It is stored and applied, and nothing shows that it was not announced; its submitter was answered."""
    target = urlsplit(database_url)
    async with (
        tapped(target.hostname or "", target.port or 0, frozenset({MESSAGES})) as tap,
        proxy(f"mongodb://127.0.0.1:{tap.port}") as way,
    ):
        database = Database(mongo_through(way, database_url))
        await Store(database).prepare()
        log, announced = Log(database), asyncio.Event()
        message = await write(log, a_message(new_id(), new_id(), "1"))
        # The second update takes the mark away.
        updates = ("update", MESSAGES)
        tap.arm(updates, lambda: tap.arm(updates, way.blackhole))
        with within(Budget(seconds=1.0)), pytest.raises(DomainError) as refused:
            await log.append_change(a_change(message, "edit", text="edited"), lambda _: announced.set())
        assert refused.value.code is Code.UNAVAILABLE
        assert not announced.is_set()
        # Once more in vain, after the submitter was answered.
        swallowed = way.swallowed
        await eventually(lambda: way.swallowed > swallowed)
        await way.pass_through()
        async with asyncio.timeout(ANSWERED_WITHIN_SECONDS):
            await announced.wait()
        await log.drain()
        await asyncio.to_thread(database.close)


async def test_marks_that_cannot_be_written_are_given_up(
    database_url: str, mongo_proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that come later have a batch of their own."""
    monkeypatch.setattr(watermarks, "FIRST_TRY_SECONDS", 0.3)
    monkeypatch.setattr(concurrency, "WRITE_SECONDS", 1.0)
    database = Database(mongo_through(mongo_proxy, database_url))
    marks, participant = Watermarks(database), new_id()
    await marks.raise_to(participant, Marks(1, 1))
    mongo_proxy.blackhole()
    async with asyncio.timeout(ANSWERED_WITHIN_SECONDS):
        with pytest.raises(DomainError) as refused:
            await marks.raise_to(participant, Marks(2, 2))
    assert refused.value.code is Code.UNAVAILABLE
    await mongo_proxy.pass_through()
    await asyncio.to_thread(database.close)


async def test_how_far_a_conversation_has_got_is_read_by_another(database_url: str, mongo_proxy: Proxy) -> None:
    """Where no command's own reads come before it."""
    database = Database(mongo_through(mongo_proxy, database_url))
    log = Log(database)
    await write(log, a_message(new_id(), new_id(), "1"))
    mongo_proxy.stall(b"aggregate\0", b"messages\0", b"$first\0")
    async with asyncio.timeout(ANSWERED_WITHIN_SECONDS):
        assert (await write(log, a_message(new_id(), new_id(), "1"))).seq == 1
    assert not mongo_proxy.to_stall
    await log.drain()
    # It ends its sessions by way of the proxy, which this loop serves.
    await asyncio.to_thread(database.close)


@pytest.mark.parametrize("collection", ["sessions", "users"])
async def test_whose_sessions_have_ended_is_looked_up_by_another(
    proxied: Proxied, talkers: list[Talker], database_url: str, collection: str
) -> None:
    """Meanwhile the node could vouch for nobody's sockets."""
    ended, other = talkers[0], talkers[1]
    database = Database(database_url)
    proxied.mongo.stall(b"find\0", collection.encode() + b"\0", b"$in\0")
    await Store(database).accounts.end_all_sessions(ended.person.id, "logout_all", utc_now())
    async with asyncio.timeout(3 * PROMISED_SECONDS):
        await ended.device.disconnected.wait()
    assert not proxied.mongo.to_stall
    async with asyncio.timeout(3 * PROMISED_SECONDS):
        await eventually(lambda: proxied.running.node.freshness.current)
        await other.say()
    database.close()


@pytest.mark.parametrize(
    "step", [(b"findAndModify\0", b"userBlockCounters\0"), (b"commitTransaction\0",)], ids=["write", "commit"]
)
async def test_a_transaction_that_others_wait_for_is_given_up_before_they_are(
    proxied: Proxied, step: tuple[bytes, ...]
) -> None:
    """Whoever blocks somebody waits for who did so before."""
    people = People(proxied.running.node.store, proxied.running.node.tokens, utc_now)
    pairs = [await people.pair(begun=True) for _ in range(2)]

    async def block(blocking: Person, blocked: Person) -> int:
        url = f"{proxied.running.url}/v1/me/blocks/{blocked.id}"
        async with proxied.http.put(url, headers={"Authorization": f"Bearer {blocking.token}"}) as answer:
            return answer.status

    proxied.mongo.stall(*step)
    first = asyncio.create_task(block(*pairs[0][:2]))
    await eventually(lambda: not proxied.mongo.to_stall)
    async with asyncio.timeout(ANSWERED_WITHIN_SECONDS):
        assert await block(*pairs[1][:2]) == 204
        assert await first in (204, 503)


async def test_connections_that_a_short_blackhole_leaves_behind(proxied: Proxied, talkers: list[Talker]) -> None:
    """Once the node serves again, what is sent is acknowledged, whatever else waits for what was lost."""
    sending = [asyncio.create_task(talker.say()) for talker in talkers]
    proxied.mongo.blackhole()
    await asyncio.wait(sending, timeout=0.6)
    await proxied.mongo.pass_through()
    await eventually(lambda: proxied.running.node.freshness.current)
    async with asyncio.timeout(ANSWERED_WITHIN_SECONDS):
        await asyncio.gather(*(talker.say() for talker in talkers))
    # What was sent before may have been answered ``unavailable``, by a node that could not vouch for its sockets.
    await asyncio.gather(*sending, return_exceptions=True)
