"""``conversation:unread`` and ``conversation:seen-all``: over all conversations at once."""

from __future__ import annotations

import asyncio

import pytest

from tests.conversations.services import Caller, ConversationService
from tests.harness.devices import Data, Refused


async def _talks(messaging: ConversationService, *messages: int) -> tuple[Caller, dict[str, Caller]]:
    """A trainer and conversations in which a client each has said so many things."""
    trainer = messaging.device(await messaging.people.make("trainer"))
    clients = {}
    for count in messages:
        client = messaging.device(await messaging.people.make("client"))
        opened = await client.do("conversation:open", {"userId": trainer.person.id})
        clients[opened["conversation"]["id"]] = client
        await asyncio.gather(*(client.send(opened["conversation"]["id"], str(n)) for n in range(count)))
    return trainer, clients


def _unread(total: int, conversations: int) -> Data:
    return {"total": total, "conversations": conversations}


async def test_what_counts(messaging: ConversationService) -> None:
    trainer, clients = await _talks(messaging, 3, 0, 2)
    three, _, two = clients
    assert await trainer.do("conversation:unread") == _unread(5, 2)
    assert all([await each.do("conversation:unread") == _unread(0, 0) for each in clients.values()])
    await trainer.send(two, "mine")
    assert await trainer.do("conversation:unread") == _unread(5, 2)
    assert await clients[two].do("conversation:unread") == _unread(1, 1)
    first = (await trainer.do("message:list", {"conversationId": three}))["messages"][0]
    await clients[three].do("message:edit", {"messageId": first["id"], "text": "edited"})
    await clients[three].do("message:delete", {"messageId": first["id"]})
    assert await trainer.do("conversation:unread") == _unread(4, 2)
    await trainer.do("conversation:seen", {"conversationId": two, "seq": 2})
    assert await trainer.do("conversation:unread") == _unread(2, 1)
    listed = (await trainer.do("conversation:list"))["items"]
    assert sum(each["unread"] for each in listed) == 2


async def test_of_each_conversation_a_hundred_count(messaging: ConversationService) -> None:
    trainer, _ = await _talks(messaging, 103, 1)
    assert await trainer.do("conversation:unread") == _unread(101, 2)


async def test_everything_is_seen_at_once(messaging: ConversationService) -> None:
    trainer, clients = await _talks(messaging, 3, 0, 2, 1)
    three, _, two, one = clients
    await trainer.do("conversation:seen", {"conversationId": one, "seq": 1})
    tablet = messaging.another().device(trainer.person)
    assert await trainer.do("conversation:seen-all") == {}
    assert await trainer.do("conversation:unread") == await tablet.do("conversation:unread") == _unread(0, 0)
    seen = [{"conversationId": i, "userId": trainer.person.id, "seq": seq} for i, seq in ((three, 3), (two, 2))]
    for name in ("conversation:seen", "conversation:delivered"):
        for device in (trainer, tablet):
            told = [data for data in await device.received(name) if data["conversationId"] != one]
            assert sorted(told, key=lambda data: -int(data["seq"])) == seen
        assert await clients[three].received(name) == seen[:1]
        assert await clients[two].received(name) == seen[1:]
    (listed,) = (await clients[three].do("message:list", {"conversationId": three, "limit": 1}))["messages"]
    assert listed["seen"] is True
    # Again: nothing moves, nobody is told.
    await tablet.do("conversation:seen-all")
    assert await clients[three].received("conversation:seen") == seen[:1]
    await clients[three].send(three, "more")
    assert await trainer.do("conversation:unread") == _unread(1, 1)


@pytest.mark.parametrize("event", ["conversation:unread", "conversation:seen-all"])
async def test_they_take_nothing(messaging: ConversationService, event: str) -> None:
    device = messaging.device(await messaging.people.make("client"))
    for wrong in ({"conversationId": "f" * 24}, {"userId": {"$ne": None}}):
        with pytest.raises(Refused, match="validation_failed"):
            await device.do(event, wrong)
    assert await device.do(event) in (_unread(0, 0), {})
