"""Two people talk: what each of their devices receives, and what an outsider does not."""

from __future__ import annotations

import pytest

from tests.harness.devices import Refused
from tests.harness.service import Service


async def test_a_message_reaches_both_and_is_acknowledged(service: Service) -> None:
    client, trainer, conversation = await service.people.pair()
    async with service.device(client) as phone, service.device(trainer) as other:
        message = await phone.send(conversation, "m1", "hello")
        assert message["seq"] == 1
        assert message["text"] == "hello"
        (received,) = await other.receive("message:new")
        assert received == {"conversationId": conversation, "seq": 1, "message": message}
        assert phone.events("message:new") == [received]
        (introduced,) = other.events("conversation:new")
        assert (introduced["conversation"]["unread"], introduced["conversation"]["lastMessage"]) == (0, None)


async def test_an_outsider_receives_nothing_and_is_told_nothing(service: Service) -> None:
    client, _, conversation = await service.people.pair()
    outsider = await service.people.make("trainer")
    async with service.device(client) as phone, service.device(outsider) as stranger:
        with pytest.raises(Refused, match="not_found"):
            await stranger.send(conversation, "x")
        await phone.send(conversation, "m1")
        with pytest.raises(Refused, match="not_found"):
            await stranger.do("message:list", {"conversationId": conversation})
        assert stranger.received == []


async def test_edits_reactions_deletions_and_receipts(service: Service) -> None:
    client, trainer, conversation = await service.people.pair()
    async with service.device(client) as phone, service.device(trainer) as other:
        message = await phone.send(conversation, "m1", "helo")
        edited = (await phone.do("message:edit", {"messageId": message["id"], "text": "hello"}))["message"]
        assert (edited["text"], edited["seq"]) == ("hello", 1)
        reacted = (await other.do("message:react", {"messageId": message["id"], "emoji": "👍"}))["message"]
        assert reacted["reactions"] == [{"emoji": "👍", "userIds": [trainer.id]}]
        await other.do("conversation:seen", {"conversationId": conversation, "seq": 99})
        (seen,) = await phone.receive("conversation:seen")
        assert seen == {"conversationId": conversation, "userId": trainer.id, "seq": 3}
        deleted = (await phone.do("message:delete", {"messageId": message["id"]}))["message"]
        assert (deleted["text"], deleted["reactions"], deleted["seen"]) == (None, [], True)
        updates = await other.receive("message:updated", 3)
        assert [(u["seq"], u["change"]) for u in updates] == [(2, "edit"), (3, "reaction"), (4, "delete")]
        synced = await other.do("sync", {"cursors": {conversation: 0}})
        (told,) = synced["conversations"]
        assert [(e["seq"], e["change"]) for e in told["entries"]] == [
            (1, "new"), (2, "edit"), (3, "reaction"), (4, "delete"),
        ]
        assert told["entries"][0]["message"]["text"] is None
        assert told["cursor"] == told["conversation"]["head"] == 4
