"""MongoDB, Redis and what decodes images hang: everything is answered in time, and nothing is lost or doubled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar

import aiohttp
import pytest
from bson import ObjectId
from socketio.exceptions import ConnectionError as NotConnected

from domain.errors import Code, DomainError
from domain.wire.events import BOOKINGS, CONVERSATIONS, PRESENCE
from rest.uploads import OF_ONE_USER
from server.app import utc_now
from server.files.image_processes import PictureMaker
from store.command_budget import Budget, within
from store.log.documents import MESSAGES
from tests.faults.conftest import OwnServers
from tests.files.samples import image, mp4
from tests.files.wire import line, post, whole
from tests.harness.devices import Data, Device, device
from tests.harness.freezing import freeze, frozen
from tests.harness.nodes import RunningNode, running_node
from tests.harness.people import People, Person
from tests.harness.unread_errors import no_complaints
from tests.harness.waiting import eventually

T = TypeVar("T")

# Three times what a command may take: ten seconds and two.
ANSWERED_WITHIN_SECONDS = 36.0
SENDS = 24
# Sixteen times what one may have at a time, or as long as the last of them may wait for its turn.
UPLOADS, WAITED_SECONDS = 64, 90.0


@dataclass
class Pair:
    """A client and a trainer who have talked, each with a device."""

    client: Person
    trainer: Person
    conversation: str
    phone: Device
    tablet: Device
    running: RunningNode
    stack: AsyncExitStack


@pytest.fixture
async def pair(own_servers: OwnServers, tmp_path: Path) -> AsyncIterator[Pair]:
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(running_node(own_servers.mongo_url, own_servers.redis_url, tmp_path))
        people = People(running.node.store, running.node.tokens, utc_now)
        client, trainer, conversation = await people.pair()
        namespaces = (CONVERSATIONS, PRESENCE, BOOKINGS)
        phone = await stack.enter_async_context(device(running.url, client, namespaces))
        tablet = await stack.enter_async_context(device(running.url, trainer))
        await phone.send(conversation, "before")
        await tablet.receive("message:new")
        yield Pair(client, trainer, conversation, phone, tablet, running, stack)


async def asked(phone: Device, event: str, data: Data, namespace: str = CONVERSATIONS) -> tuple[Any, float]:
    """The acknowledgement, and after how many seconds it came."""
    began = monotonic()
    answer = await phone.io.call(event, data, namespace=namespace, timeout=ANSWERED_WITHIN_SECONDS)
    return answer, monotonic() - began


async def requested(pair: Pair, method: str, path: str, body: Any = None, **headers: str) -> tuple[Any, float]:
    headers["Authorization"] = f"Bearer {pair.client.token}"
    began = monotonic()
    async with (
        aiohttp.ClientSession() as http,
        http.request(method, pair.running.url + path, json=body, headers=headers) as response,
    ):
        assert response.content_type == "application/problem+json", await response.text()
        assert response.status == 503
        return {"ok": False, "error": await response.json()}, monotonic() - began


async def connected(pair: Pair) -> tuple[Any, float]:
    """What a device is told that comes meanwhile."""
    began = monotonic()
    late = Device()
    refusals: list[Data] = []
    late.io.on("connect_error", refusals.append, namespace=CONVERSATIONS)
    with pytest.raises(NotConnected):
        await late.io.connect(
            pair.running.url, auth={"token": pair.client.token}, namespaces=[CONVERSATIONS],
            transports=["websocket"], wait_timeout=ANSWERED_WITHIN_SECONDS,
        )  # fmt: skip
    return {"ok": False, "error": refusals[0]["data"]}, monotonic() - began


async def stored(pair: Pair) -> list[Data]:
    found = pair.running.node.database.collection(MESSAGES).find({"conversationId": ObjectId(pair.conversation)})
    return await found.sort("seq", 1).to_list(None)


async def test_everything_is_answered_in_time_while_mongodb_is_frozen(own_servers: OwnServers, pair: Pair) -> None:
    names = [f"frozen {number}" for number in range(SENDS)]
    target = (await stored(pair))[0]["_id"]

    def command(name: str) -> Data:
        return {"conversationId": pair.conversation, "clientMessageId": name, "text": name}

    with frozen(own_servers.mongod):
        waiting: list[Awaitable[tuple[Any, float]]] = [
            *(asked(pair.phone, "message:send", command(name)) for name in names),
            asked(pair.phone, "message:edit", {"messageId": str(target), "text": "other", "idempotencyKey": "edit"}),
            asked(pair.phone, "message:search", {"query": "frozen"}),
            asked(pair.phone, "conversation:list", {}),
            asked(pair.phone, "sync", {"cursors": {}}),
            asked(pair.phone, "booking:list", {}, BOOKINGS),
            requested(pair, "GET", "/v1/me"),
            requested(pair, "POST", "/v1/sync", {"cursors": {}}),
            requested(pair, "GET", "/v1/trainers"),
            requested(pair, "POST", "/v1/auth/login", {"email": pair.client.email, "password": "some password"}),
            requested(pair, "GET", f"/v1/files/{ObjectId()}"),
            connected(pair),
        ]
        answers = await asyncio.gather(*waiting)
    assert [answer for answer, _ in answers if answer.get("error", {}).get("code") != "unavailable"] == []
    assert max(seconds for _, seconds in answers) < ANSWERED_WITHIN_SECONDS
    # Until it knows of all revocations again it serves no socket.
    await eventually(lambda: pair.running.node.freshness.current)
    # After the thaw each is repeated, as a client does: it is stored once, whether it had been or not.
    for name in names:
        assert (await pair.phone.send(pair.conversation, name, name))["text"] == name
    entries = await stored(pair)
    sent = [entry["clientMessageId"] for entry in entries if "change" not in entry]
    assert sorted(sent) == sorted(["before", *names])
    assert [entry["seq"] for entry in entries] == [*range(1, len(entries) + 1)]
    # And told once, in order; who was kept from hearing something, while revocations were not known, is told to sync.
    last = entries[-1]["seq"]
    await pair.tablet.until(lambda tablet: last in received(tablet) or bool(tablet.events("sync:required")))
    assert received(pair.tablet) == sorted(set(received(pair.tablet)))
    synced = (await pair.tablet.do("sync", {"cursors": {pair.conversation: 0}}))["conversations"][0]["entries"]
    assert [entry["seq"] for entry in synced] == [entry["seq"] for entry in entries]
    assert pair.running.node.store.log.appender.waiting == 0


async def test_uploads_are_answered_in_time_while_mongodb_is_frozen(own_servers: OwnServers, pair: Pair) -> None:
    """However many of one user wait for their turns: not each after all that hang before it."""
    body, sent = whole(mp4(20_000)), 2000
    async with AsyncExitStack() as stack:
        lines = [await stack.enter_async_context(line(pair.running.url)) for _ in range(UPLOADS)]
        for one in lines:
            await one.send(post(pair.client, len(body)) + body[:sent])
        # Who has a turn hands on what came before what is coming.
        while pair.running.node.context.spooling.taken < OF_ONE_USER * 1000:
            for one in lines:
                await one.send(body[sent : sent + 1])
            sent += 1
            await asyncio.sleep(0.01)
        with frozen(own_servers.mongod):
            began = monotonic()
            for one in lines:
                await one.send(body[sent:])
            answers = [await one.problem(WAITED_SECONDS) for one in lines]
            assert monotonic() - began < ANSWERED_WITHIN_SECONDS
    assert [answer for answer in answers if answer[:2] != (503, "unavailable")] == []


def received(tablet: Device) -> list[int]:
    return [data["seq"] for event, data in tablet.received if event in ("message:new", "message:updated")]


async def test_what_was_acknowledged_before_a_short_freeze_and_after_is_there_once(
    own_servers: OwnServers, pair: Pair
) -> None:
    """A freeze that ends before the budgets do: all are acknowledged."""
    with frozen(own_servers.mongod):
        sending = [asyncio.create_task(pair.phone.send(pair.conversation, str(number))) for number in range(SENDS)]
        # All are at work, and none can be done.
        while pair.running.node.store.log.appender.waiting < SENDS:  # noqa: ASYNC110 - the log has no event
            await asyncio.sleep(0.01)
    acknowledged = {message["clientMessageId"]: message["seq"] for message in await asyncio.gather(*sending)}
    entries = {entry["clientMessageId"]: entry["seq"] for entry in await stored(pair)}
    assert entries == {"before": 1, **acknowledged}
    assert [entries[str(number)] for number in range(SENDS)] == [*range(2, SENDS + 2)]


async def test_commands_are_answered_while_redis_is_frozen(own_servers: OwnServers, pair: Pair) -> None:
    with frozen(own_servers.redis):
        sent, watched, listed = await asyncio.gather(
            asked(pair.phone, "message:send", {
                "conversationId": pair.conversation, "clientMessageId": "1", "text": "without Redis",
            }),
            asked(pair.phone, "presence:watch", {"userIds": [pair.trainer.id]}, PRESENCE),
            asked(pair.phone, "conversation:list", {}),
        )  # fmt: skip
    assert sent[0]["ok"]
    assert listed[0]["ok"]
    assert watched[0]["ok"]
    assert max(seconds for _, seconds in (sent, watched, listed)) < ANSWERED_WITHIN_SECONDS


async def test_who_waits_for_a_frozen_image_process_is_told_in_time() -> None:
    """Not that the image is a bad one."""
    maker = PictureMaker(1)
    content = image("PNG", (40, 30))

    async def chunks() -> AsyncIterator[bytes]:
        yield content

    async def make() -> None:
        with within(Budget(seconds=1.0)):
            async with maker.made("account", "network", len(content), chunks()):
                pass

    try:
        async with maker.made("account", "network", len(content), chunks()):
            pass
        pid = maker.workers[0].pid
        assert pid is not None
        # It is ended by whoever gives up on it.
        freeze(pid)
        with no_complaints():
            results = await asyncio.gather(make(), make(), return_exceptions=True)
        assert [error.code for error in results if isinstance(error, DomainError)] == [Code.UNAVAILABLE] * 2
    finally:
        await maker.stop()
