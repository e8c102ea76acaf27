"""MongoDB swallows what a node sends it: the node serves no socket that it can't vouch for, and is not ready."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from domain.wire.events import PRESENCE
from server.app import utc_now
from server.security.tokens import AccessTokens
from store.database import Database
from store.store import Store
from tests.faults.conftest import Proxied
from tests.harness.devices import Data, Device, device
from tests.harness.nodes import SECRET, RunningNode, running_node
from tests.harness.people import People, Person
from tests.harness.waiting import eventually
from tests.together.presence_nodes import changes, say, sees, watch

# The bound, and three times as much for a busy machine.
BOUND_SECONDS = 2.0
WITHIN_SECONDS = 3 * BOUND_SECONDS
RECOVERED_WITHIN_SECONDS = 30.0


@dataclass(frozen=True)
class Pair:
    """The client's devices are at the node that is cut off, the trainer's at another."""

    conversation: str
    client: Person
    revoked: Device
    staying: Device
    trainer: Device
    other: RunningNode


@pytest.fixture
async def pair(proxied: Proxied, database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Pair]:
    database = Database(database_url)
    people = People(Store(database), AccessTokens(SECRET), utc_now)
    client, trainer, conversation = await people.pair()
    again = await people.another_device(client)
    async with (
        running_node(database_url, redis_url, tmp_path / "other") as other,
        device(proxied.running.url, client) as revoked,
        device(proxied.running.url, again) as staying,
        device(other.url, trainer) as trains,
    ):
        await trains.send(conversation, "before")
        await asyncio.gather(revoked.receive("message:new"), staying.receive("message:new"))
        yield Pair(conversation, client, revoked, staying, trains, other)
    database.close()


async def ready(proxied: Proxied, status: int, within: float) -> dict[str, object]:
    async with asyncio.timeout(within):
        while True:
            found, body = await proxied.get("/readyz")
            if found == status:
                return body
            await asyncio.sleep(0.05)


async def test_a_revoked_session_receives_nothing_past_the_bound(proxied: Proxied, pair: Pair) -> None:
    proxied.mongo.blackhole()
    headers = {"Authorization": f"Bearer {pair.client.token}"}
    async with aiohttp.ClientSession() as http, http.post(f"{pair.other.url}/v1/auth/logout", headers=headers) as done:
        assert done.status == 204
    loop = asyncio.get_running_loop()
    began = loop.time()
    assert (await ready(proxied, 503, WITHIN_SECONDS))["status"] == "unavailable"
    # Neither stream nor poll has answered since: past the bound nothing is written to either socket.
    await asyncio.sleep(max(0.0, began + BOUND_SECONDS - loop.time()))
    await pair.trainer.send(pair.conversation, "secret", "secret")
    refused = await pair.staying.ask("message:send", {
        "conversationId": pair.conversation, "clientMessageId": "mine", "text": "mine",
    })  # fmt: skip
    assert refused["error"]["code"] == "unavailable"
    assert [len(phone.events("message:new")) for phone in (pair.revoked, pair.staying)] == [1, 1]

    proxied.mongo.reset()
    await proxied.mongo.pass_through()
    await ready(proxied, 200, RECOVERED_WITHIN_SECONDS)
    await pair.revoked.receive("session:revoked")
    assert len(pair.revoked.events("message:new")) == 1
    await pair.staying.receive("sync:required")
    synced = await pair.staying.do("sync", {"cursors": {pair.conversation: 1}})
    assert "secret" in {entry["message"]["text"] for entry in synced["conversations"][0]["entries"]}
    await pair.trainer.send(pair.conversation, "after", "after")
    await pair.staying.until(lambda phone: "after" in {one["message"]["text"] for one in phone.events("message:new")})


async def served_again(proxied: Proxied) -> None:
    proxied.mongo.reset()
    await proxied.mongo.pass_through()
    await eventually(lambda: proxied.running.node.freshness.current, RECOVERED_WITHIN_SECONDS)


def sequence(phone: Device, conversation: str) -> list[int]:
    return [event["seq"] for event in phone.events("message:new") if event["conversationId"] == conversation]


async def test_what_was_withheld_is_received_before_what_comes_later(proxied: Proxied, pair: Pair) -> None:
    """Also by who takes the last message that arrived for how far it has got, where the conversation is new, and where
    it had begun and this node had received nothing of it."""
    node = proxied.running.node
    people = People(pair.other.node.store, AccessTokens(SECRET), utc_now)
    trainer, third = await people.make("trainer"), await people.make("trainer")
    new, begun = await people.open(pair.client.id, trainer.id), await people.acquaint(pair.client.id, third.id)
    async with (
        device(pair.other.url, trainer) as introduced,
        device(pair.other.url, third) as returning,
        device(proxied.running.url, await people.another_device(pair.client)) as staying,
    ):
        proxied.mongo.blackhole()
        await eventually(lambda: not node.freshness.current)
        sending = {pair.conversation: pair.trainer, new: introduced, begun: returning}
        for number in range(5):
            for conversation, phone in sending.items():
                await phone.send(conversation, f"withheld {number}")
        await served_again(proxied)
        for number in range(5):
            for conversation, phone in sending.items():
                await phone.send(conversation, f"after {number}")
        last = {pair.conversation: 11, new: 10, begun: 11}
        await staying.until(
            lambda phone: all(seq in sequence(phone, conversation) for conversation, seq in last.items()),
            RECOVERED_WITHIN_SECONDS,
        )
        await staying.receive("sync:required")
    for conversation, seq in last.items():
        # The device came when one had been received; the others began while its user was there already.
        first = 2 if conversation == pair.conversation else 1
        assert sequence(staying, conversation) == [*range(first, seq + 1)]
    names = [name for name, data in staying.received if new in (data.get("conversationId"), _begun(data))]
    assert names == ["conversation:new"] + ["message:new"] * 10


def _begun(data: Data) -> str | None:
    return data["conversation"]["id"] if "conversation" in data else None


async def is_online(phone: Device, person: Person) -> bool:
    return bool((await watch(phone, person))[person.id]["status"] == "online")


async def test_presence_is_withheld_past_the_bound_and_told_as_it_then_is(proxied: Proxied, pair: Pair) -> None:
    people = People(pair.other.node.store, AccessTokens(SECRET), utc_now)
    client, going, _ = await people.pair(begun=True)
    revoked = await people.another_device(client)
    node = proxied.running.node
    here = proxied.running.url
    async with (
        device(pair.other.url, going, (PRESENCE,)) as phone,
        device(here, client, (PRESENCE,)) as watching,
        device(here, revoked, (PRESENCE,)) as cut,
        device(pair.other.url, await people.another_device(client), (PRESENCE,)) as elsewhere,
    ):
        async with device(here, await people.another_device(client), (PRESENCE,)) as early:
            # Who has connected to one node is online at the other soon after, on a busy machine later.
            await eventually(lambda: is_online(early, going))
        for each in (watching, cut, elsewhere):
            assert (await watch(each, going))[going.id]["status"] == "online"
        proxied.mongo.blackhole()
        headers = {"Authorization": f"Bearer {revoked.token}"}
        async with (
            aiohttp.ClientSession() as http,
            http.post(f"{pair.other.url}/v1/auth/logout", headers=headers) as done,
        ):
            assert done.status == 204
        async with asyncio.timeout(WITHIN_SECONDS):
            while node.freshness.current:  # noqa: ASYNC110 - it is asked and tells nobody
                await asyncio.sleep(0.02)
        told = node.audience.sent
        for status in ("away", "online", "away"):
            await say(phone, status)
        await sees(elsewhere, going, "away", "online", "away")
        views = [each.presence.watches._watched[going.id] for each in (node, pair.other.node)]
        async with asyncio.timeout(WITHIN_SECONDS):
            while views[0].view != views[1].view:  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(0.02)
        assert node.audience.sent == told

        proxied.mongo.reset()
        await proxied.mongo.pass_through()
        await cut.receive("session:revoked")
        await sees(watching, going, "away", within=RECOVERED_WITHIN_SECONDS)
        await say(phone, "online")
        await sees(watching, going, "away", "online")
        assert changes(cut, going) == []
