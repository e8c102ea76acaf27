"""Conversations and who takes part in them, as the store remembers them."""

from __future__ import annotations

import asyncio

import pytest
from bson import ObjectId

import store.conversations
from domain.conversations import ConversationRecord
from domain.errors import DomainError
from store.conversations import Conversations
from store.database import Database
from tests.store.writing import new_id, now


async def _open(conversations: Conversations, *pair: str) -> str:
    one, other = pair or (new_id(), new_id())
    return (await conversations.open(one, other, now())).membership.conversation_id


async def test_membership_is_for_members(shared_database: Database) -> None:
    one, other, stranger = new_id(), new_id(), new_id()
    conversations = Conversations(shared_database)
    conversation = await _open(conversations, one, other)
    assert await _open(conversations, other, one) == conversation
    for asked in (conversations, Conversations(shared_database)):
        for user in (one, other):
            found = await asked.membership(conversation, user)
            assert found
            assert found.other(user) == ({one, other} - {user}).pop()
        assert await asked.membership(conversation, stranger) is None
        assert await asked.membership(new_id(), one) is None
        assert list(await asked.memberships([conversation, new_id()], one)) == [conversation]
        assert await asked.memberships([conversation], stranger) == {}


async def test_many_at_once_when_little_is_remembered(
    shared_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is pushed out of the memory by its own answer is in the answer all the same."""
    user = new_id()
    opening = Conversations(shared_database)
    ids = [await _open(opening, user, new_id()) for _ in range(6)]
    monkeypatch.setattr(store.conversations, "MAX_REMEMBERED", 3)
    conversations = Conversations(shared_database)
    for known in ids[:2]:
        assert await conversations.membership(known, user)
    assert (await conversations.memberships(ids, user)).keys() == set(ids)
    assert (await conversations.memberships(ids, user)).keys() == set(ids)


async def test_a_crowd_that_asks_for_one_is_answered_in_turn(shared_database: Database) -> None:
    one, other = new_id(), new_id()
    conversation = await _open(Conversations(shared_database), one, other)
    conversations, order = Conversations(shared_database), []

    async def ask(number: int) -> None:
        assert await conversations.membership(conversation, one)
        order.append(number)

    await asyncio.gather(*map(ask, range(20)))
    assert order == [*range(20)]


async def test_one_who_stops_asking_does_not_take_the_answer_away(shared_database: Database) -> None:
    one, other = new_id(), new_id()
    conversation = await _open(Conversations(shared_database), one, other)
    conversations = Conversations(shared_database)
    leaving = asyncio.ensure_future(conversations.membership(conversation, one))
    staying = asyncio.ensure_future(conversations.membership(conversation, one))
    await asyncio.sleep(0)
    leaving.cancel()
    assert await staying


class _Lagging(Conversations):
    """The majority of a replica set learns of a commit a moment after its primary."""

    behind = 0

    async def _of_pair(self, user_id: str, other_id: str) -> ConversationRecord | None:
        found = await super()._of_pair(user_id, other_id)
        if found is None or not self.behind:
            return found
        self.behind -= 1
        return None


async def test_a_conversation_that_no_majority_knows_yet_is_waited_for(shared_database: Database) -> None:
    one, other = new_id(), new_id()
    conversation = await _open(Conversations(shared_database), one, other)
    lagging = _Lagging(shared_database)
    lagging.behind = 3
    assert await _open(lagging, other, one) == conversation


async def test_but_not_for_ever(shared_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store.conversations, "OPEN_TIMEOUT_SECONDS", 0.05)
    one, other = new_id(), new_id()
    await _open(Conversations(shared_database), one, other)
    lagging = _Lagging(shared_database)
    lagging.behind = 1000
    with pytest.raises(DomainError, match="try again"):
        await _open(lagging, one, other)


async def test_a_refused_opening_leaves_nothing_behind(shared_database: Database) -> None:
    one, other = new_id(), new_id()
    await asyncio.gather(*(_open(Conversations(shared_database), one, other) for _ in range(5)))
    users = {"userId": {"$in": [ObjectId(one), ObjectId(other)]}}
    assert await shared_database.collection("conversationParticipants").count_documents(users) == 2
