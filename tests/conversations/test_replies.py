"""``replyTo``: a message of the same conversation."""

from __future__ import annotations

import pytest
from bson import ObjectId

from tests.conversations.services import Caller, ConversationService
from tests.harness.devices import Data, Refused


async def _reply(device: Caller, conversation: str, to: object) -> Data:
    command = {"conversationId": conversation, "clientMessageId": str(ObjectId()), "text": "yes", "replyTo": to}
    message: Data = (await device.do("message:send", command))["message"]
    return message


async def test_a_reply_names_its_message_to_both(messaging: ConversationService) -> None:
    client, trainer, conversation = await messaging.people.pair()
    phone, other = messaging.device(client), messaging.device(trainer)
    message = await phone.send(conversation, "m")
    for device in (other, phone):
        reply = await _reply(device, conversation, message["id"])
        assert reply["replyTo"] == message["id"]
        assert (await phone.received("message:new"))[-1]["message"] == reply
    listed = (await phone.do("message:list", {"conversationId": conversation}))["messages"]
    assert [each["replyTo"] for each in listed] == [None, message["id"], message["id"]]


async def test_a_deleted_message_can_still_be_replied_to(messaging: ConversationService) -> None:
    client, trainer, conversation = await messaging.people.pair()
    message = await messaging.device(client).send(conversation, "m")
    await messaging.device(client).do("message:delete", {"messageId": message["id"]})
    reply = await _reply(messaging.device(trainer), conversation, message["id"])
    assert reply["replyTo"] == message["id"]


async def test_what_is_not_a_message_of_the_conversation(messaging: ConversationService) -> None:
    client, trainer, conversation = await messaging.people.pair()
    phone, other = messaging.device(client), messaging.device(trainer)
    message = await phone.send(conversation, "m")
    await phone.do("message:edit", {"messageId": message["id"], "text": "edited"})
    log = messaging.store.log.read
    (_, edit) = await log.between({conversation: (0, 2)}, 10)
    assert edit.change
    another = (await phone.do("conversation:open", {"userId": (await messaging.people.make("trainer")).id}))[
        "conversation"
    ]
    elsewhere = await phone.send(another["id"], "m")
    before = len(await other.received("message:new"))
    for to in (elsewhere["id"], edit.change.id, str(ObjectId()), conversation, "x", 7, {"$ne": None}):
        with pytest.raises(Refused, match="validation_failed") as refused:
            await _reply(phone, conversation, to)
        assert [error["field"] for error in refused.value.error["errors"]] == ["replyTo"]
    assert len(await other.received("message:new")) == before
    assert len(await log.between({conversation: (0, 10)}, 10)) == 2
