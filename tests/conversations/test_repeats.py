"""A repeated ``clientMessageId`` is answered with the first message, for ever, from any node."""

from __future__ import annotations

import asyncio

import pytest

from tests.conversations.services import Caller, ConversationService
from tests.harness.devices import Data, Refused


@pytest.fixture
async def another_service(messaging: ConversationService) -> ConversationService:
    """Another node, or the same one after a restart."""
    return messaging.another()


async def _sent(messaging: ConversationService, text: str = "first words") -> tuple[Caller, Caller, str, Data]:
    client, trainer, conversation = await messaging.people.pair()
    phone = messaging.device(client)
    return phone, messaging.device(trainer), conversation, await phone.send(conversation, "key", text)


async def test_it_answers_the_first_and_announces_nothing(
    messaging: ConversationService, another_service: ConversationService
) -> None:
    phone, other, conversation, message = await _sent(messaging)
    for device in (phone, messaging.device(phone.person), another_service.device(phone.person)):
        assert await device.send(conversation, "key", "first words") == message
    assert len(await other.received("message:new")) == len(await other.received("conversation:new")) == 1
    assert (await other.do("sync", {"cursors": {conversation: 0}}))["conversations"][0]["cursor"] == 1


@pytest.mark.parametrize("text", ["other words", "First words", "first words "])
async def test_another_body_is_a_conflict(
    messaging: ConversationService, another_service: ConversationService, text: str
) -> None:
    phone, other, conversation, message = await _sent(messaging)
    for device in (phone, another_service.device(phone.person)):
        with pytest.raises(Refused, match="idempotency_conflict"):
            await device.send(conversation, "key", text)
    assert await phone.send(conversation, "key", "first words") == message
    assert len(await other.received("message:new")) == 1


async def test_another_reply_is_another_body(messaging: ConversationService) -> None:
    phone, _, conversation, message = await _sent(messaging)
    command: Data = {"conversationId": conversation, "clientMessageId": "reply", "text": "yes"}
    reply = (await phone.do("message:send", {**command, "replyTo": message["id"]}))["message"]
    assert reply["replyTo"] == message["id"]
    assert (await phone.do("message:send", {**command, "replyTo": message["id"]}))["message"] == reply
    for different in (command, {**command, "replyTo": reply["id"]}):
        with pytest.raises(Refused, match="idempotency_conflict"):
            await phone.do("message:send", different)


async def test_after_an_edit_it_answers_the_message_as_it_stands(
    messaging: ConversationService, another_service: ConversationService
) -> None:
    phone, _, conversation, message = await _sent(messaging)
    edited = (await phone.do("message:edit", {"messageId": message["id"], "text": "new words"}))["message"]
    for device in (phone, another_service.device(phone.person)):
        assert await device.send(conversation, "key", "first words") == edited
        with pytest.raises(Refused, match="idempotency_conflict"):
            await device.send(conversation, "key", "new words")


async def test_after_a_deletion_another_body_is_still_a_conflict(
    messaging: ConversationService, another_service: ConversationService
) -> None:
    phone, _, conversation, message = await _sent(messaging)
    deleted = (await phone.do("message:delete", {"messageId": message["id"]}))["message"]
    for device in (phone, another_service.device(phone.person)):
        assert await device.send(conversation, "key", "first words") == deleted
        with pytest.raises(Refused, match="idempotency_conflict"):
            await device.send(conversation, "key", "whatever")


async def test_it_tells_reactions_and_what_was_seen(
    messaging: ConversationService, another_service: ConversationService
) -> None:
    phone, other, conversation, message = await _sent(messaging)
    await other.do("message:react", {"messageId": message["id"], "emoji": "👍"})
    await other.do("conversation:seen", {"conversationId": conversation, "seq": 2})
    for device in (phone, another_service.device(phone.person)):
        repeated = await device.send(conversation, "key", "first words")
        assert repeated["reactions"] == [{"emoji": "👍", "userIds": [other.person.id]}]
        assert repeated["seen"] is True


async def test_a_key_belongs_to_one_sender_in_one_conversation(messaging: ConversationService) -> None:
    phone, other, conversation, message = await _sent(messaging)
    theirs = await other.send(conversation, "key", "their words")
    trainer = await messaging.people.make("trainer")
    another = (await phone.do("conversation:open", {"userId": trainer.id}))["conversation"]["id"]
    elsewhere = await phone.send(another, "key", "words elsewhere")
    assert len({message["id"], theirs["id"], elsewhere["id"]}) == 3


@pytest.mark.parametrize("nodes", [1, 2])
async def test_many_at_the_same_moment(
    messaging: ConversationService, another_service: ConversationService, nodes: int
) -> None:
    client, trainer, conversation = await messaging.people.pair()
    stages = [messaging, another_service][:nodes]
    devices = [each.device(client) for each in stages for _ in range(4)]
    for key in range(6):
        messages = await asyncio.gather(*(device.send(conversation, f"key {key}") for device in devices))
        assert all(message == messages[0] for message in messages)
        assert messages[0]["seq"] == key + 1
    received = [event["seq"] for event in await messaging.device(trainer).received("message:new")]
    assert sorted(received) == [1, 2, 3, 4, 5, 6]


async def test_bodies_that_differ_at_the_same_moment(
    messaging: ConversationService, another_service: ConversationService
) -> None:
    """One of them is the message, every other is told so."""
    client, _, conversation = await messaging.people.pair()
    devices = [each.device(client) for each in (messaging, another_service) for _ in range(3)]
    command = {"conversationId": conversation, "clientMessageId": "key"}
    answers = await asyncio.gather(
        *(device.ask("message:send", {**command, "text": f"words {n}"}) for n, device in enumerate(devices))
    )
    assert [answer["ok"] for answer in answers].count(True) == 1
    codes = {answer["error"]["code"] for answer in answers if not answer["ok"]}
    assert codes == {"idempotency_conflict"}
