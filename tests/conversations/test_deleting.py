"""``message:delete``: what was said is gone, from every answer and from the whole database."""

from __future__ import annotations

import asyncio

import bson
import pytest

from store.database import Database
from store.store import Store
from tests.conversations.services import ConversationService, OneNodeService
from tests.harness.devices import Data, Refused

SECRET = "unspeakable"


async def _mentions(database: Database, words: str) -> list[str]:
    """The collections that hold the words in whatever field and form."""
    found = []
    for name in await database.db.list_collection_names():
        async for document in database.collection(name).find({}):
            if words.encode() in bson.encode(document):
                found.append(name)
    return found


async def test_words_are_gone_from_the_whole_database(database: Database) -> None:
    """Also the words of edits, and those in answers kept for commands with an idempotency key."""
    await Store(database).prepare()
    messaging = OneNodeService(database)
    client, trainer, conversation = await messaging.people.pair()
    phone, other = messaging.device(client), messaging.device(trainer)
    message = await phone.send(conversation, "m", f"{SECRET} first")
    named: Data = {"messageId": message["id"]}
    await phone.do("message:edit", {**named, "text": f"{SECRET} second"})
    await phone.do("message:edit", {**named, "text": f"{SECRET} third", "idempotencyKey": "edit"})
    await other.do("message:react", {**named, "emoji": "👍", "idempotencyKey": "react"})
    await other.do("conversation:open", {"userId": client.id, "idempotencyKey": "open"})
    await messaging.settled()
    assert "messages" in await _mentions(database, SECRET)
    await phone.do("message:delete", {**named, "idempotencyKey": "delete"})
    await messaging.settled()
    assert await _mentions(database, SECRET) == []


async def test_a_repeat_under_its_key_does_not_bring_them_back(messaging: ConversationService) -> None:
    client, trainer, conversation = await messaging.people.pair()
    phone, other = messaging.device(client), messaging.device(trainer)
    message = await phone.send(conversation, "m", "first")
    edit: Data = {"messageId": message["id"], "text": "second", "idempotencyKey": "key"}
    edited = (await phone.do("message:edit", edit))["message"]
    assert edited["text"] == "second"
    await phone.do("message:edit", {"messageId": message["id"], "text": "third"})
    await phone.do("message:edit", edit)
    (listed,) = (await other.do("message:list", {"conversationId": conversation}))["messages"]
    assert listed["text"] == "third"
    await phone.do("message:delete", {"messageId": message["id"]})
    assert (await phone.do("message:edit", edit))["message"]["text"] is None
    with pytest.raises(Refused, match="idempotency_conflict"):
        await phone.do("message:edit", {**edit, "text": "other"})
    assert len(await other.received("message:updated")) == 3


async def test_keyed_changes_keep_the_order_of_their_socket(messaging: ConversationService) -> None:
    client, _, conversation = await messaging.people.pair()
    phone = messaging.device(client)
    named: Data = {"messageId": (await phone.send(conversation, "m"))["id"]}
    for start in range(0, 40, 8):
        keys = [{"idempotencyKey": f"key {n}"} if n % 2 else {} for n in range(start, start + 8)]
        await asyncio.gather(
            *(phone.do("message:edit", {**named, **key, "text": f"{n}"}) for n, key in enumerate(keys, start))
        )
        texts = [event["message"]["text"] for event in (await phone.received("message:updated"))]
        assert texts == [f"{n}" for n in range(start + 8)]


async def test_what_is_left_of_it(messaging: ConversationService) -> None:
    client, trainer, conversation = await messaging.people.pair()
    phone, other = messaging.device(client), messaging.device(trainer)
    message = await phone.send(conversation, "m", "words")
    await other.do("message:react", {"messageId": message["id"], "emoji": "👍"})
    deleted = (await phone.do("message:delete", {"messageId": message["id"]}))["message"]
    gone: Data = {"text": None, "imageUrls": [], "videoUrls": [], "pdfUrls": [], "reactions": []}
    assert deleted.items() >= gone.items()
    assert deleted["deletedAt"] == deleted["updatedAt"]
    same = ("id", "conversationId", "senderId", "kind", "seq", "clientMessageId", "replyTo", "createdAt")
    assert {name: deleted[name] for name in same} == {name: message[name] for name in same}
    assert (await other.received("message:updated"))[-1] == {
        "conversationId": conversation, "seq": 3, "change": "delete", "message": deleted,
    }  # fmt: skip
    (item,) = (await other.do("conversation:list"))["items"]
    assert item["lastMessage"] == deleted


async def test_again_is_no_further_entry(messaging: ConversationService) -> None:
    client, trainer, conversation = await messaging.people.pair()
    phone, other = messaging.device(client), messaging.device(trainer)
    message = await phone.send(conversation, "m")
    deleted = await phone.do("message:delete", {"messageId": message["id"]})
    assert await phone.do("message:delete", {"messageId": message["id"]}) == deleted
    assert len(await other.received("message:updated")) == 1


async def test_only_by_its_author_and_nothing_afterwards(messaging: ConversationService) -> None:
    client, trainer, conversation = await messaging.people.pair()
    phone, other = messaging.device(client), messaging.device(trainer)
    named: Data = {"messageId": (await phone.send(conversation, "m"))["id"]}
    with pytest.raises(Refused, match="forbidden"):
        await other.do("message:delete", named)
    with pytest.raises(Refused, match="forbidden"):
        await other.do("message:edit", {**named, "text": "x"})
    await phone.do("message:delete", named)
    for device, event, rest in (
        (phone, "message:edit", {"text": "x"}),
        (other, "message:react", {"emoji": "👍"}),
        (phone, "message:react", {"emoji": "👍", "remove": True}),
    ):
        with pytest.raises(Refused, match="conflict"):
            await device.do(event, {**named, **rest})
    assert len(await other.received("message:updated")) == 1
