"""``conversation:new``: told to both with the first entry, once, before it."""

from __future__ import annotations

import asyncio

import pytest

from store.database import Database
from tests.conversations.stage import Stage
from tests.harness.devices import Data
from tests.harness.people import Person


def _told(stages: list[Stage], person: Person) -> list[tuple[str, Data]]:
    """What the nodes told the person of new messages and conversations."""
    wanted = ("conversation:new", "message:new")
    return [each for stage in stages for each in stage.recorder.to(person) if each[0] in wanted]


async def test_nobody_is_told_of_a_conversation_without_words(stage: Stage) -> None:
    client, trainer = await stage.people.make("client"), await stage.people.make("trainer")
    await stage.device(client).do("conversation:open", {"userId": trainer.id})
    assert stage.recorder.said == []
    (item,) = (await stage.device(trainer).do("conversation:list"))["items"]
    assert (item["head"], item["lastMessage"]) == (0, None)


async def test_it_shows_each_side_its_own_view(stage: Stage) -> None:
    client, trainer, conversation = await stage.people.pair()
    message = await stage.device(client).send(conversation, "m")
    for person, unread in ((client, 0), (trainer, 1)):
        (introduced, first) = _told([stage], person)
        told = introduced[1]["conversation"]
        assert (told["id"], told["head"], told["unread"], told["lastMessage"]) == (conversation, 1, unread, message)
        assert {who["userId"]: (who["seenSeq"], who["name"] != "") for who in told["participants"]} == {
            client.id: (0, True),
            trainer.id: (0, True),
        }
        assert first == ("message:new", {"conversationId": conversation, "seq": 1, "message": message})
        (listed,) = (await stage.device(person).do("conversation:list"))["items"]
        assert listed == told


@pytest.mark.parametrize("nodes", [1, 3])
async def test_once_however_many_begin_at_the_same_moment(shared_database: Database, nodes: int) -> None:
    for _ in range(5):
        stages = [Stage(shared_database) for _ in range(nodes)]
        client, trainer, conversation = await stages[0].people.pair()
        await asyncio.gather(
            *(
                stage.device(person).send(conversation, f"{number} {key}")
                for number, stage in enumerate(stages)
                for person in (client, trainer)
                for key in range(3)
            )
        )
        for person in (client, trainer):
            told = _told(stages, person)
            assert sorted(data["seq"] for name, data in told if name == "message:new") == [*range(1, 6 * nodes + 1)]
            (introduced,) = (data["conversation"] for name, data in told if name == "conversation:new")
            assert introduced["lastMessage"]["seq"] == introduced["head"] == 1
            assert introduced["unread"] == int(introduced["lastMessage"]["senderId"] != person.id)
            place = next(place for place, (name, _) in enumerate(told) if name == "conversation:new")
            assert told[place + 1][1]["seq"] == 1


async def test_not_again_after_a_restart_or_a_change(stage: Stage, shared_database: Database) -> None:
    client, trainer, conversation = await stage.people.pair()
    message = await stage.device(client).send(conversation, "m")
    await stage.device(client).do("message:delete", {"messageId": message["id"]})
    again = Stage(shared_database)
    await again.device(trainer).send(conversation, "n")
    assert [name for name, _ in _told([again], client)] == ["message:new"]
    assert len(stage.device(trainer).heard("conversation:new")) == 1
