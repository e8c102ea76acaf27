"""A repeated ``clientMessageId`` is answered with the first message, for ever, from any node."""

from __future__ import annotations

import asyncio

import pytest

from tests.conversations.services import Caller, ConversationService
from tests.harness.devices import Data, Refused


@pytest.fixture
async def again(stage: ConversationService) -> ConversationService:
    """Another node, or the same one after a restart."""
    return stage.another()


async def _sent(stage: ConversationService, text: str = "first words") -> tuple[Caller, Caller, str, Data]:
    client, trainer, conversation = await stage.people.pair()
    phone = stage.device(client)
    return phone, stage.device(trainer), conversation, await phone.send(conversation, "key", text)


async def test_it_answers_the_first_and_announces_nothing(
    stage: ConversationService, again: ConversationService
) -> None:
    phone, other, conversation, message = await _sent(stage)
    for device in (phone, stage.device(phone.person), again.device(phone.person)):
        assert await device.send(conversation, "key", "first words") == message
    assert len(await other.heard("message:new")) == len(await other.heard("conversation:new")) == 1
    assert (await other.do("sync", {"cursors": {conversation: 0}}))["conversations"][0]["cursor"] == 1


@pytest.mark.parametrize("text", ["other words", "First words", "first words "])
async def test_another_body_is_a_conflict(stage: ConversationService, again: ConversationService, text: str) -> None:
    phone, other, conversation, message = await _sent(stage)
    for device in (phone, again.device(phone.person)):
        with pytest.raises(Refused, match="idempotency_conflict"):
            await device.send(conversation, "key", text)
    assert await phone.send(conversation, "key", "first words") == message
    assert len(await other.heard("message:new")) == 1


async def test_another_reply_is_another_body(stage: ConversationService) -> None:
    phone, _, conversation, message = await _sent(stage)
    command: Data = {"conversationId": conversation, "clientMessageId": "reply", "text": "yes"}
    reply = (await phone.do("message:send", {**command, "replyTo": message["id"]}))["message"]
    assert reply["replyTo"] == message["id"]
    assert (await phone.do("message:send", {**command, "replyTo": message["id"]}))["message"] == reply
    for different in (command, {**command, "replyTo": reply["id"]}):
        with pytest.raises(Refused, match="idempotency_conflict"):
            await phone.do("message:send", different)


async def test_after_an_edit_it_answers_the_message_as_it_stands(
    stage: ConversationService, again: ConversationService
) -> None:
    phone, _, conversation, message = await _sent(stage)
    edited = (await phone.do("message:edit", {"messageId": message["id"], "text": "new words"}))["message"]
    for device in (phone, again.device(phone.person)):
        assert await device.send(conversation, "key", "first words") == edited
        with pytest.raises(Refused, match="idempotency_conflict"):
            await device.send(conversation, "key", "new words")


async def test_after_a_deletion_another_body_is_still_a_conflict(
    stage: ConversationService, again: ConversationService
) -> None:
    phone, _, conversation, message = await _sent(stage)
    deleted = (await phone.do("message:delete", {"messageId": message["id"]}))["message"]
    for device in (phone, again.device(phone.person)):
        assert await device.send(conversation, "key", "first words") == deleted
        with pytest.raises(Refused, match="idempotency_conflict"):
            await device.send(conversation, "key", "whatever")


async def test_it_tells_reactions_and_what_was_seen(stage: ConversationService, again: ConversationService) -> None:
    phone, other, conversation, message = await _sent(stage)
    await other.do("message:react", {"messageId": message["id"], "emoji": "👍"})
    await other.do("conversation:seen", {"conversationId": conversation, "seq": 2})
    for device in (phone, again.device(phone.person)):
        repeated = await device.send(conversation, "key", "first words")
        assert repeated["reactions"] == [{"emoji": "👍", "userIds": [other.person.id]}]
        assert repeated["seen"] is True


async def test_a_key_belongs_to_one_sender_in_one_conversation(stage: ConversationService) -> None:
    phone, other, conversation, message = await _sent(stage)
    theirs = await other.send(conversation, "key", "their words")
    trainer = await stage.people.make("trainer")
    another = (await phone.do("conversation:open", {"userId": trainer.id}))["conversation"]["id"]
    elsewhere = await phone.send(another, "key", "words elsewhere")
    assert len({message["id"], theirs["id"], elsewhere["id"]}) == 3


@pytest.mark.parametrize("nodes", [1, 2])
async def test_many_at_the_same_moment(stage: ConversationService, again: ConversationService, nodes: int) -> None:
    client, trainer, conversation = await stage.people.pair()
    stages = [stage, again][:nodes]
    devices = [each.device(client) for each in stages for _ in range(4)]
    for key in range(6):
        messages = await asyncio.gather(*(device.send(conversation, f"key {key}") for device in devices))
        assert all(message == messages[0] for message in messages)
        assert messages[0]["seq"] == key + 1
    heard = [event["seq"] for event in await stage.device(trainer).heard("message:new")]
    assert sorted(heard) == [1, 2, 3, 4, 5, 6]


async def test_bodies_that_differ_at_the_same_moment(stage: ConversationService, again: ConversationService) -> None:
    """One of them is the message, every other is told so."""
    client, _, conversation = await stage.people.pair()
    devices = [each.device(client) for each in (stage, again) for _ in range(3)]
    command = {"conversationId": conversation, "clientMessageId": "key"}
    answers = await asyncio.gather(
        *(device.ask("message:send", {**command, "text": f"words {n}"}) for n, device in enumerate(devices))
    )
    assert [answer["ok"] for answer in answers].count(True) == 1
    codes = {answer["error"]["code"] for answer in answers if not answer["ok"]}
    assert codes == {"idempotency_conflict"}
