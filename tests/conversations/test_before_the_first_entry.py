"""Until its first entry a conversation is seen by its opener only, and grants nothing."""

from __future__ import annotations

import asyncio

import pytest
from bson import ObjectId

from store.database import Database
from store.log.documents import CONVERSATIONS
from tests.conversations.services import Caller, ConversationService
from tests.harness.devices import Data, Refused
from tests.harness.people import Person


async def _opened(messaging: ConversationService) -> tuple[Person, Person, str]:
    """By the client."""
    client, trainer = await messaging.people.make("client"), await messaging.people.make("trainer")
    answer = await messaging.device(client).do("conversation:open", {"userId": trainer.id})
    return client, trainer, answer["conversation"]["id"]


def _commands(conversation: str) -> dict[str, Data]:
    named: Data = {"conversationId": conversation}
    return {
        "message:search": {**named, "query": "hello"},
        "message:send": {**named, "clientMessageId": "m", "text": "hello"},
        "conversation:mute": named,
        "conversation:seen": {**named, "seq": 1},
        "conversation:delivered": {**named, "seq": 1},
        "message:list": {**named, "afterSeq": 0},
        "typing": {**named, "active": True},
    }


async def _seen_by(caller: Caller) -> list[str]:
    """By each of the ways to list conversations."""
    listed = [one["id"] for one in (await caller.do("conversation:list"))["items"]]
    synced = [one["conversation"]["id"] for one in (await caller.do("sync", {"cursors": {}}))["conversations"]]
    assert listed == synced
    return listed


async def test_its_opener_alone_sees_it(messaging: ConversationService) -> None:
    client, trainer, conversation = await _opened(messaging)
    hers, his = messaging.device(client), messaging.device(trainer)
    assert (await _seen_by(hers), await _seen_by(his)) == ([conversation], [])
    for node in (messaging, messaging.another()):
        for event, data in _commands(conversation).items():
            with pytest.raises(Refused, match="not_found"):
                await node.device(trainer).do(event, data)
        gone = {"conversations": [], "gone": [conversation], "hasMore": False}
        assert await node.device(trainer).do("sync", {"cursors": {conversation: 0}}) == gone
    assert (await hers.do("message:list", {"conversationId": conversation}))["messages"] == []
    assert (await hers.do("sync", {"cursors": {conversation: 0}}))["conversations"][0]["entries"] == []


async def test_the_other_side_is_told_nothing(messaging: ConversationService) -> None:
    client, trainer, conversation = await _opened(messaging)
    hers = messaging.device(client)
    for event in ("typing", "conversation:seen", "conversation:delivered", "conversation:mute"):
        await hers.do(event, _commands(conversation)[event])
    assert await messaging.device(trainer).told() == []
    # Her own devices are told what is hers.
    assert [name for name, _ in await hers.told()] == ["conversation:muted"]


async def test_from_its_first_entry_both_see_it(messaging: ConversationService) -> None:
    client, trainer, conversation = await _opened(messaging)
    hers, his = messaging.device(client), messaging.device(trainer)
    message = await hers.send(conversation, "m")
    for node in (messaging, messaging.another()):
        assert await _seen_by(node.device(trainer)) == [conversation]
        told = (await node.device(trainer).do("sync", {"cursors": {conversation: 0}}))["conversations"][0]
        assert told["entries"] == [{"seq": 1, "change": "new", "message": message}]
    await his.do("typing", {"conversationId": conversation, "active": True})
    await his.do("conversation:seen", {"conversationId": conversation, "seq": 1})
    assert {"typing", "conversation:seen", "conversation:delivered"} <= {name for name, _ in await hers.told()}


async def test_whoever_opens_it_sees_it(messaging: ConversationService) -> None:
    client, trainer, conversation = await _opened(messaging)
    his = messaging.another().device(trainer)
    for _ in range(2):
        assert (await his.do("conversation:open", {"userId": client.id}))["conversation"]["id"] == conversation
    assert await _seen_by(his) == [conversation]
    # Both know of it, and still nothing was said.
    await his.do("typing", {"conversationId": conversation, "active": True})
    assert await messaging.device(client).told() == []
    await his.send(conversation, "m")
    assert await _seen_by(messaging.device(client)) == [conversation]


async def test_that_somebody_opened_it_opens_it_for_nobody_else(
    messaging: ConversationService, shared_database: Database
) -> None:
    """Whom one cannot reach one cannot reach, whatever they opened."""
    client, trainer, _ = await _opened(messaging)
    paused = {"$set": {"isActive": False}}
    await shared_database.collection("users").update_one({"_id": ObjectId(client.id)}, paused)
    with pytest.raises(Refused, match="not_found"):
        await messaging.device(trainer).do("conversation:open", {"userId": client.id})


async def test_many_that_say_nothing_are_in_nobodys_way(messaging: ConversationService) -> None:
    """Pages are as long as they would be without them."""
    trainer = await messaging.people.make("trainer")
    clients = [await messaging.people.make("client") for _ in range(12)]
    callers = [messaging.device(client) for client in clients]
    opened = await asyncio.gather(*(one.do("conversation:open", {"userId": trainer.id}) for one in callers))
    begun = [answer["conversation"]["id"] for answer in opened[::3]]
    for caller, conversation in zip(callers[::3], begun, strict=True):
        await caller.send(conversation, "m")
    his, cursor, found = messaging.device(trainer), None, list[str]()
    for _ in range(2):
        page = await his.do("conversation:list", {"limit": 2, **({"cursor": cursor} if cursor else {})})
        found += [one["id"] for one in page["items"]]
        cursor = page["nextCursor"]
    assert (sorted(found), cursor) == (sorted(begun), None)


async def test_the_log_tells_what_a_node_that_died_could_not_show(
    messaging: ConversationService, shared_database: Database
) -> None:
    client, trainer, conversation = await _opened(messaging)
    await messaging.device(client).send(conversation, "m")
    await messaging.settled()
    key, unshown = {"_id": ObjectId(conversation)}, {"$set": {"head": 0, "lastMessage": None, "lastSeq": 0}}
    await shared_database.collection(CONVERSATIONS).update_one(key, unshown)
    his = messaging.another().device(trainer)
    assert len((await his.do("message:list", {"conversationId": conversation}))["messages"]) == 1
    assert (await his.do("sync", {"cursors": {conversation: 0}}))["conversations"][0]["cursor"] == 1
    assert (await his.do("conversation:open", {"userId": client.id}))["conversation"]["head"] == 1
