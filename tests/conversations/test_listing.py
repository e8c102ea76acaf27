"""``conversation:list``: newest first, every conversation once, pages that fit together."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from store.database import Database
from tests.conversations.services import Caller, ConversationService, OneNodeService
from tests.harness.devices import Data, Refused
from tests.harness.people import Person

START = datetime(2026, 11, 22, 9, 30, 0, 123000, UTC)


async def _open(messaging: ConversationService, trainer: Person, at: datetime) -> str:
    client = await messaging.people.make("client")
    record = await messaging.store.conversations.open(trainer.id, client.id, at)
    return record.membership.conversation_id


async def _pages(caller: Caller, limit: int) -> list[str]:
    ids: list[str] = []
    cursor = None
    while True:
        command: Data = {"limit": limit} | ({"cursor": cursor} if cursor else {})
        page = await caller.do("conversation:list", command)
        assert len(page["items"]) <= limit
        ids += [item["id"] for item in page["items"]]
        cursor = page["nextCursor"]
        if cursor is None:
            return ids


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8])
async def test_pages_hold_each_conversation_once_newest_first(messaging: ConversationService, limit: int) -> None:
    trainer = await messaging.people.make("trainer")
    times = [START + timedelta(milliseconds=n // 2) for n in range(7)]
    opened = [(at, await _open(messaging, trainer, at)) for at in times]
    expected = [conversation for _, conversation in sorted(opened, reverse=True)]
    assert await _pages(messaging.device(trainer), limit) == expected


async def test_every_millisecond_makes_a_cursor(messaging: ConversationService) -> None:
    """One page a conversation: no cursor may be off by one, as one that went through a float could be."""
    trainer = await messaging.people.make("trainer")
    times = [START + timedelta(milliseconds=37 * n + 1) for n in range(25)]
    expected = [await _open(messaging, trainer, at) for at in times][::-1]
    assert await _pages(messaging.device(trainer), 1) == expected


async def test_a_message_moves_its_conversation_to_the_top(messaging: ConversationService) -> None:
    trainer = await messaging.people.make("trainer")
    first, second = [await _open(messaging, trainer, START + timedelta(seconds=n)) for n in range(2)]
    caller = messaging.device(trainer)
    assert await _pages(caller, 20) == [second, first]
    await caller.send(first, "m1")
    await messaging.settled()
    assert await _pages(caller, 20) == [first, second]
    (top,) = (await caller.do("conversation:list", {"limit": 1}))["items"]
    assert (top["lastMessage"]["text"], top["head"]) == ("hello", 1)
    assert top["updatedAt"] == top["lastMessage"]["createdAt"] > top["createdAt"]


async def test_a_change_does_not_move_it(messaging: ConversationService) -> None:
    trainer = await messaging.people.make("trainer")
    first, second = [await _open(messaging, trainer, START + timedelta(seconds=n)) for n in range(2)]
    caller = messaging.device(trainer)
    message = await caller.send(first, "m1")
    await caller.send(second, "m1")
    await caller.do("message:edit", {"messageId": message["id"], "text": "other words"})
    await messaging.settled()
    items = (await caller.do("conversation:list"))["items"]
    assert [item["id"] for item in items] == [second, first]
    assert (items[1]["head"], items[1]["lastMessage"]["text"]) == (2, "other words")


async def test_the_last_message_is_right_while_its_own_node_has_not_said_so(shared_database: Database) -> None:
    """One node stores a message and dies; another stores a reaction and writes the head behind."""
    dying, living = OneNodeService(shared_database), OneNodeService(shared_database)
    client, trainer, conversation = await dying.people.pair()
    await living.device(client).send(conversation, "m1", "the first")
    await living.store.drain()
    dying.store.log.projections.note = lambda entry: None  # type: ignore[method-assign]
    dying.store.log.appender._committed = lambda entry: None
    message = await dying.device(client).send(conversation, "m2", "the last")
    await living.device(trainer).do("message:react", {"messageId": message["id"], "emoji": "👍"})
    await living.store.drain()
    (item,) = (await living.device(trainer).do("conversation:list"))["items"]
    assert (item["head"], item["lastMessage"]["text"], item["unread"]) == (3, "the last", 2)


@pytest.mark.parametrize(
    "cursor", ["x", "äöü", "AAAA", "MTp4", "OjAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMA", "MDoweDAwMDAwMDAwMDAwMDAwMDAwMDAwMDE"]
)
async def test_a_cursor_that_no_page_gave_is_refused(messaging: ConversationService, cursor: str) -> None:
    caller = messaging.device(await messaging.people.make("client"))
    with pytest.raises(Refused, match="validation_failed") as refused:
        await caller.do("conversation:list", {"cursor": cursor})
    assert [error["field"] for error in refused.value.error["errors"]] == ["cursor"]


async def test_everybody_sees_only_their_own(messaging: ConversationService) -> None:
    client, trainer, conversation = await messaging.people.pair()
    outsider = await messaging.people.make("client")
    for person, expected in ((client, [conversation]), (trainer, [conversation]), (outsider, [])):
        assert await _pages(messaging.device(person), 20) == expected
