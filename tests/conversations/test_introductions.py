"""``conversation:new``: told to both with the first entry, once, before it."""

from __future__ import annotations

import asyncio

import pytest

from store.database import Database
from tests.conversations.services import ConversationService, OneNodeService, Received
from tests.harness.people import Person


async def _told(messaging: ConversationService, person: Person) -> list[Received]:
    """What the person was told of new messages and conversations."""
    wanted = ("conversation:new", "message:new")
    return [each for each in await messaging.device(person).told() if each[0] in wanted]


async def test_nobody_is_told_of_a_conversation_without_words(messaging: ConversationService) -> None:
    client, trainer = await messaging.people.make("client"), await messaging.people.make("trainer")
    await messaging.device(client).do("conversation:open", {"userId": trainer.id})
    assert await _told(messaging, client) == await _told(messaging, trainer) == []
    (item,) = (await messaging.device(client).do("conversation:list"))["items"]
    assert (item["head"], item["lastMessage"]) == (0, None)


async def test_it_shows_each_side_its_own_view(messaging: ConversationService) -> None:
    client, trainer, conversation = await messaging.people.pair()
    phone = messaging.device(client)
    await phone.do("conversation:mute", {"conversationId": conversation})
    (before,) = (await phone.do("conversation:list"))["items"]
    message = await phone.send(conversation, "m")
    for person, unread in ((client, 0), (trainer, 1)):
        (introduced, first) = await _told(messaging, person)
        told = introduced[1]["conversation"]
        assert (told["id"], told["head"], told["unread"], told["lastMessage"]) == (conversation, 0, 0, None)
        assert told == (before if person is client else {**before, "mutedUntil": None})
        assert {who["userId"]: (who["seenSeq"], who["name"] != "") for who in told["participants"]} == {
            client.id: (0, True),
            trainer.id: (0, True),
        }
        assert first == ("message:new", {"conversationId": conversation, "seq": 1, "message": message})
        (listed,) = (await messaging.device(person).do("conversation:list"))["items"]
        now = {"head": 1, "unread": unread, "lastMessage": message, "updatedAt": message["createdAt"]}
        assert listed == {**told, **now}


@pytest.mark.parametrize("nodes", [1, 3])
async def test_once_however_many_begin_at_the_same_moment(messaging: ConversationService, nodes: int) -> None:
    for _ in range(5):
        stages = [messaging, messaging.another(), messaging.another()][:nodes]
        client, trainer, conversation = await messaging.people.pair()
        await asyncio.gather(
            *(
                each.device(person).send(conversation, f"{number} {key}")
                for number, each in enumerate(stages)
                for person in (client, trainer)
                for key in range(3)
            )
        )
        for person in (client, trainer):
            told = await _told(messaging, person)
            assert sorted(data["seq"] for name, data in told if name == "message:new") == [*range(1, 6 * nodes + 1)]
            (introduced,) = (data["conversation"] for name, data in told if name == "conversation:new")
            assert (introduced["lastMessage"], introduced["head"], introduced["unread"]) == (None, 0, 0)
            place = next(place for place, (name, _) in enumerate(told) if name == "conversation:new")
            assert told[place + 1][1]["seq"] == 1


async def test_not_again_after_a_restart_or_a_change(shared_database: Database) -> None:
    messaging, again = OneNodeService(shared_database), OneNodeService(shared_database)
    client, trainer, conversation = await messaging.people.pair()
    message = await messaging.device(client).send(conversation, "m")
    await messaging.device(client).do("message:delete", {"messageId": message["id"]})
    await again.device(trainer).send(conversation, "n")
    assert [name for name, _ in await _told(again, client)] == ["message:new"]
    assert len(await messaging.device(trainer).received("conversation:new")) == 1
