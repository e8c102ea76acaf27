"""``message:list``: back through the messages, each in its newest state; and how many of them are unread."""

from __future__ import annotations

import asyncio

import pytest

from tests.conversations.services import Caller, ConversationService
from tests.harness.devices import Data, Refused


async def _talk(messaging: ConversationService, messages: int) -> tuple[Caller, Caller, str]:
    """So many messages of the client's, ``1``, ``2``, …"""
    client, trainer, conversation = await messaging.people.pair()
    phone = messaging.device(client)
    await asyncio.gather(*(phone.send(conversation, str(n), str(n)) for n in range(1, messages + 1)))
    return phone, messaging.device(trainer), conversation


async def _page(device: Caller, conversation: str, **command: int) -> tuple[list[str], bool]:
    answer = await device.do("message:list", {"conversationId": conversation, **command})
    seqs = [message["seq"] for message in answer["messages"]]
    assert seqs == sorted(seqs)
    return [message["text"] for message in answer["messages"]], answer["hasMore"]


async def _unread(device: Caller) -> int:
    (item,) = (await device.do("conversation:list"))["items"]
    (told,) = (await device.do("sync", {"cursors": {}}))["conversations"]
    assert told["conversation"]["unread"] == item["unread"]
    return int(item["unread"])


async def test_pages_go_back_to_the_first(messaging: ConversationService) -> None:
    _, other, conversation = await _talk(messaging, 7)
    assert await _page(other, conversation, limit=3) == (["5", "6", "7"], True)
    assert await _page(other, conversation, limit=3, beforeSeq=5) == (["2", "3", "4"], True)
    assert await _page(other, conversation, limit=3, beforeSeq=2) == (["1"], False)
    assert await _page(other, conversation, limit=7) == ([*"1234567"], False)
    for before in (0, 1):
        assert await _page(other, conversation, beforeSeq=before) == ([], False)
    assert await _page(other, conversation, beforeSeq=2**53 - 1, limit=1) == (["7"], True)


async def test_changes_take_a_number_and_no_place(messaging: ConversationService) -> None:
    phone, other, conversation = await _talk(messaging, 3)
    first, second, _ = (await phone.do("message:list", {"conversationId": conversation}))["messages"]
    for n in range(25):
        await phone.do("message:edit", {"messageId": first["id"], "text": f"edit {n}"})
    await phone.do("message:delete", {"messageId": second["id"]})
    await phone.send(conversation, "4", "4")
    answer = await other.do("message:list", {"conversationId": conversation, "limit": 4})
    told = [(message["seq"], message["text"]) for message in answer["messages"]]
    assert told == [(1, "edit 24"), (2, None), (3, "3"), (30, "4")]
    assert answer["hasMore"] is False
    assert await _page(other, conversation, limit=2, beforeSeq=30) == ([None, "3"], True)


async def test_pages_go_on_to_the_last(messaging: ConversationService) -> None:
    _, other, conversation = await _talk(messaging, 7)
    assert await _page(other, conversation, limit=3, afterSeq=0) == (["1", "2", "3"], True)
    assert await _page(other, conversation, limit=3, afterSeq=3) == (["4", "5", "6"], True)
    assert await _page(other, conversation, limit=3, afterSeq=6) == (["7"], False)
    assert await _page(other, conversation, limit=7, afterSeq=0) == ([*"1234567"], False)
    for after in (7, 2**53 - 1):
        assert await _page(other, conversation, afterSeq=after) == ([], False)


async def test_forward_too_changes_take_no_place(messaging: ConversationService) -> None:
    phone, other, conversation = await _talk(messaging, 2)
    first, second = (await phone.do("message:list", {"conversationId": conversation}))["messages"]
    await phone.do("message:edit", {"messageId": first["id"], "text": "edited"})
    await phone.do("message:delete", {"messageId": second["id"]})
    await phone.send(conversation, "3", "3")
    assert await _page(other, conversation, limit=2, afterSeq=0) == (["edited", None], True)
    assert await _page(other, conversation, limit=2, afterSeq=2) == (["3"], False)


async def test_a_message_by_its_id(messaging: ConversationService) -> None:
    phone, other, conversation = await _talk(messaging, 1)
    (message,) = (await other.do("message:list", {"conversationId": conversation}))["messages"]
    named = {"messageId": message["id"]}
    assert await phone.do("message:get", named) == await other.do("message:get", named) == {"message": message}
    await phone.do("message:react", {**named, "emoji": "👍"})
    await other.do("conversation:seen", {"conversationId": conversation, "seq": 1})
    told = (await other.do("message:get", named))["message"]
    assert (told["seen"], told["reactions"]) == (True, [{"emoji": "👍", "userIds": [phone.person.id]}])
    await phone.do("message:delete", named)
    assert (await other.do("message:get", named))["message"]["text"] is None
    stranger = messaging.device(await messaging.people.make("client"))
    for who, wanted in ((stranger, message["id"]), (phone, "f" * 24)):
        with pytest.raises(Refused, match="not_found"):
            await who.do("message:get", {"messageId": wanted})
    for wrong in ({}, {"messageId": "x"}, {"messageId": {"$ne": None}}, {**named, "x": 1}):
        with pytest.raises(Refused, match="validation_failed"):
            await phone.do("message:get", wrong)


@pytest.mark.parametrize(
    "command",
    [
        {"limit": 0}, {"limit": 101}, {"beforeSeq": -1}, {"beforeSeq": "1"}, {"after": 1}, {"afterSeq": -1},
        {"afterSeq": "1"}, {"afterSeq": 1, "beforeSeq": 3},
    ],
)  # fmt: skip
async def test_what_is_refused(messaging: ConversationService, command: Data) -> None:
    phone, _, conversation = await _talk(messaging, 1)
    with pytest.raises(Refused, match="validation_failed"):
        await phone.do("message:list", {"conversationId": conversation, **command})


async def test_only_what_the_other_side_said_is_unread(messaging: ConversationService) -> None:
    phone, other, conversation = await _talk(messaging, 5)
    await other.send(conversation, "mine")
    assert (await _unread(phone), await _unread(other)) == (1, 5)
    await other.do("conversation:seen", {"conversationId": conversation, "seq": 2})
    assert (await _unread(phone), await _unread(other)) == (1, 3)
    await other.do("conversation:delivered", {"conversationId": conversation, "seq": 6})
    assert await _unread(other) == 3
    await other.do("conversation:seen", {"conversationId": conversation, "seq": 6})
    assert await _unread(other) == 0


async def test_changes_are_not_unread_and_what_is_deleted_is_no_longer(messaging: ConversationService) -> None:
    phone, other, conversation = await _talk(messaging, 3)
    first, second, third = (await phone.do("message:list", {"conversationId": conversation}))["messages"]
    await phone.do("message:edit", {"messageId": first["id"], "text": "edited"})
    await phone.do("message:react", {"messageId": second["id"], "emoji": "👍"})
    assert await _unread(other) == 3
    await phone.do("message:delete", {"messageId": third["id"]})
    assert await _unread(other) == 2
    await other.do("conversation:seen", {"conversationId": conversation, "seq": 1})
    await phone.do("message:delete", {"messageId": first["id"]})
    assert await _unread(other) == 1


async def test_unread_counts_to_a_hundred(messaging: ConversationService) -> None:
    phone, other, conversation = await _talk(messaging, 99)
    assert await _unread(other) == 99
    for key, unread in (("100", 100), ("101", 100)):
        await phone.send(conversation, key)
        assert await _unread(other) == unread
    await other.do("conversation:seen", {"conversationId": conversation, "seq": 2})
    assert await _unread(other) == 99
