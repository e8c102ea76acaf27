"""Two people, one of whom blocks the other: what passes between them, on whichever node, and what stays."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta

import pytest
from bson import ObjectId

from domain.times import to_wire
from domain.wire.events import BOOKINGS, NAMESPACES, PRESENCE
from tests.bookings.market import Answer, Data, Market, Somebody
from tests.harness.devices import Device, device


@dataclass
class Pair:
    """Client and trainer, each with a phone on another node, and a conversation with one message of each."""

    market: Market
    client: Somebody
    trainer: Somebody
    of_client: Device
    of_trainer: Device
    conversation: str

    async def block(self, who: Somebody, whom: Somebody, method: str = "PUT", node: int = 0) -> Answer:
        return await self.market.call(method, f"/me/blocks/{whom.id}", None, who, node=node)

    async def send(self, phone: Device, text: str = "hello", key: str | None = None) -> Data:
        said = {"conversationId": self.conversation, "clientMessageId": key or secrets.token_hex(8), "text": text}
        return await phone.ask("message:send", said)


@pytest.fixture
async def pair(market: Market) -> AsyncIterator[Pair]:
    trainer = await market.trainer()
    client = await market.client(trainer)
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(device(market.urls[0], client.person, NAMESPACES))
        other = await stack.enter_async_context(device(market.urls[1], trainer.person, NAMESPACES))
        opened = await one.do("conversation:open", {"userId": trainer.id})
        made = Pair(market, client, trainer, one, other, opened["conversation"]["id"])
        for phone in (one, other):
            assert (await made.send(phone))["ok"]
        yield made


def refused(answer: Data) -> str:
    assert answer["ok"] is False, answer
    code: str = answer["error"]["code"]
    return code


@pytest.mark.parametrize("by", ["client", "trainer"])
async def test_nothing_is_said_whoever_blocked(pair: Pair, by: str) -> None:
    who, whom = (pair.client, pair.trainer) if by == "client" else (pair.trainer, pair.client)
    mine = (await pair.send(pair.of_client, key="mine"))["data"]["message"]
    theirs = (await pair.send(pair.of_trainer))["data"]["message"]
    await pair.of_client.receive("message:new", 4)
    assert (await pair.block(who, whom)).status == 204
    before = len(pair.of_trainer.events("message:new")), len(pair.of_client.events("message:new"))
    for phone, own, other in ((pair.of_client, mine, theirs), (pair.of_trainer, theirs, mine)):
        assert refused(await pair.send(phone)) == "forbidden"
        assert refused(await phone.ask("message:edit", {"messageId": own["id"], "text": "new"})) == "forbidden"
        assert refused(await phone.ask("message:react", {"messageId": other["id"], "emoji": "👍"})) == "forbidden"
        assert (await phone.ask("typing", {"conversationId": pair.conversation, "active": True}))["ok"]
    for node, someone in ((1, pair.client), (0, pair.trainer)):
        path = f"/conversations/{pair.conversation}/messages"
        said = {"clientMessageId": secrets.token_hex(8), "text": "hello"}
        assert (await pair.market.call("POST", path, said, someone, node=node)).code == "forbidden"
    # What was acknowledged is answered to a repeat for ever.
    assert (await pair.send(pair.of_client, key="mine"))["data"]["message"]["id"] == mine["id"]
    assert (len(pair.of_trainer.events("message:new")), len(pair.of_client.events("message:new"))) == before
    assert pair.of_client.events("typing") == pair.of_trainer.events("typing") == []


async def test_the_log_stays_as_it_is(pair: Pair) -> None:
    mine = (await pair.send(pair.of_client, "what I said"))["data"]["message"]
    heads = {}
    for phone in (pair.of_client, pair.of_trainer):
        synced = await phone.do("sync", {"cursors": {pair.conversation: 0}})
        heads[phone] = [entry["seq"] for entry in synced["conversations"][0]["entries"]]
    assert (await pair.block(pair.trainer, pair.client)).status == 204
    for phone in (pair.of_client, pair.of_trainer):
        synced = await phone.do("sync", {"cursors": {pair.conversation: 0}})
        assert [entry["seq"] for entry in synced["conversations"][0]["entries"]] == heads[phone] == [1, 2, 3]
        listed = await phone.do("conversation:list")
        assert pair.conversation in {one["id"] for one in listed["items"]}
    # One may read on, and take back what one said oneself.
    assert (await pair.of_client.ask("conversation:seen", {"conversationId": pair.conversation, "seq": 3}))["ok"]
    deleted = await pair.of_client.do("message:delete", {"messageId": mine["id"]})
    assert deleted["message"]["text"] is None


async def test_unblocking_lets_everything_pass_again(pair: Pair) -> None:
    assert (await pair.block(pair.client, pair.trainer)).status == 204
    assert (await pair.block(pair.trainer, pair.client)).status == 204
    assert (await pair.block(pair.client, pair.trainer, "DELETE")).status == 204
    # The other's own block stands.
    assert refused(await pair.send(pair.of_client)) == "forbidden"
    assert (await pair.block(pair.trainer, pair.client, "DELETE", node=1)).status == 204
    assert (await pair.block(pair.trainer, pair.client, "DELETE")).status == 204

    async def sent() -> bool:
        return bool((await pair.send(pair.of_client))["ok"])

    while not await sent():
        pass
    start = pair.market.at(9, days=3)
    assert (await pair.market.book(pair.client, pair.trainer, start)).status == 201


def sees(phone: Device, status: str) -> bool:
    told = phone.events("presence:changed")
    return bool(told) and told[-1]["status"] == status


async def test_presence_ends_and_nobody_is_seen_any_more(pair: Pair) -> None:
    watching = {"userIds": [pair.trainer.id]}
    await pair.of_client.do("presence:watch", watching, PRESENCE)
    await pair.of_trainer.do("presence:watch", {"userIds": [pair.client.id]}, PRESENCE)
    await pair.of_client.do("presence:set", {"status": "away"}, PRESENCE)
    await pair.of_trainer.until(lambda phone: sees(phone, "away"))
    assert (await pair.block(pair.client, pair.trainer)).status == 204
    await pair.of_trainer.until(lambda phone: sees(phone, "offline"))
    assert pair.of_trainer.events("presence:changed")[-1]["lastSeenAt"] is None
    await pair.of_client.until(lambda phone: sees(phone, "offline"))
    told = len(pair.of_trainer.events("presence:changed"))
    await pair.of_client.do("presence:set", {"status": "online"}, PRESENCE)
    for phone, other in ((pair.of_client, pair.trainer), (pair.of_trainer, pair.client)):
        assert (await phone.do("presence:watch", {"userIds": [other.id]}, PRESENCE))["presences"] == []
    assert len(pair.of_trainer.events("presence:changed")) == told


async def test_presence_ends_however_slow_the_clock_is_of_the_node_that_blocks(pair: Pair) -> None:
    await pair.of_trainer.do("presence:watch", {"userIds": [pair.client.id]}, PRESENCE)
    await pair.of_client.do("presence:set", {"status": "away"}, PRESENCE)
    await pair.of_trainer.until(lambda phone: sees(phone, "away"))
    its_time = pair.market.clock() - timedelta(minutes=10)
    assert await pair.market.store.user_blocks.add(pair.client.id, pair.trainer.id, None, its_time)
    await pair.of_trainer.until(lambda phone: sees(phone, "offline"))


async def test_nothing_new_is_booked_and_what_was_booked_stays_and_says_so(pair: Pair) -> None:
    market = pair.market
    booked = await market.booked(pair.client, pair.trainer, market.at(9, days=3))
    assert "blocked" not in booked
    changes = (await market.call("GET", "/bookings", None, pair.trainer, query={"changedAfter": ""})).body["changes"]
    assert (await pair.block(pair.client, pair.trainer)).status == 204
    await pair.of_trainer.receive("sync:required")
    for who in (pair.client, pair.trainer):
        for node in (0, 1):
            found = await market.call("GET", f"/bookings/{booked['id']}", None, who, node=node)
            assert (found.body["blocked"], found.body["status"]) == (True, "confirmed")
    changed = await market.call("GET", "/bookings", None, pair.trainer, query={"changedAfter": changes})
    assert [(one["id"], one["blocked"]) for one in changed.body["items"]] == [(booked["id"], True)]
    assert (await market.book(pair.client, pair.trainer, market.at(11, days=3), node=1)).code == "forbidden"
    create = {"trainerId": pair.trainer.profile, "startsAt": to_wire(market.at(11, days=3)), "payWith": "credit"}
    answer = await pair.of_client.ask("booking:create", {**create, "idempotencyKey": secrets.token_hex(8)}, BOOKINGS)
    assert refused(answer) == "forbidden"
    for who in (pair.client, pair.trainer):
        assert (await market.move(booked, who, market.at(12, days=3))).code == "forbidden"
    cancelled = await market.cancel(booked, pair.trainer)
    assert (cancelled.body["status"], cancelled.body["blocked"]) == ("cancelled", True)


async def test_no_conversation_begins(market: Market) -> None:
    trainer, client = await market.somebody("trainer"), await market.somebody("client")
    assert (await market.call("PUT", f"/me/blocks/{client.id}", None, trainer)).status == 204
    async with device(market.urls[0], client.person) as phone:
        assert refused(await phone.ask("conversation:open", {"userId": trainer.id})) == "not_found"


async def test_who_can_be_blocked(market: Market) -> None:
    client, admin = await market.somebody("client"), await market.somebody("admin")
    for other, code in ((client.id, "validation_failed"), ("0" * 24, "not_found"), (admin.id, "forbidden")):
        for method in ("PUT", "DELETE"):
            assert (await market.call(method, f"/me/blocks/{other}", None, client)).code == code
    assert (await market.call("PUT", f"/me/blocks/{client.id}", None, admin)).code == "forbidden"


async def test_blocks_have_an_end(market: Market) -> None:
    client, other = await market.somebody("client"), await market.somebody("client")
    rows = market.nodes[0].database.collection("userBlocks")
    await rows.insert_many(
        {"userId": ObjectId(client.id), "blockedUserId": ObjectId(), "pair": str(n), "createdAt": market.clock()}
        for n in range(1000)
    )
    assert (await market.call("PUT", f"/me/blocks/{other.id}", None, client)).code == "conflict"
    await rows.delete_many({"userId": ObjectId(client.id)})


async def test_an_erased_user_blocks_nobody(market: Market) -> None:
    client, other = await market.somebody("client"), await market.somebody("trainer")
    assert (await market.call("PUT", f"/me/blocks/{other.id}", None, client)).status == 204
    assert await market.store.user_blocks.among(other.id, [client.id]) == {client.id}
    user = await market.store.users.by_id(client.id)
    assert user is not None
    await market.store.erasures.erase(user, market.clock())
    assert await market.store.user_blocks.among(other.id, [client.id]) == set()
