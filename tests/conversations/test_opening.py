"""``conversation:open``: who may talk to whom, and that a pair has one conversation."""

from __future__ import annotations

import asyncio

import pytest
from bson import ObjectId

from domain.accounts import Role
from store.database import Database
from tests.conversations.services import ConversationService
from tests.harness.devices import Refused
from tests.harness.people import Person

ROLES: tuple[Role, ...] = ("client", "trainer", "admin", "superAdmin")
ALLOWED = {
    ("client", "trainer"),
    ("trainer", "client"),
    *((administrator, other) for administrator in ("admin", "superAdmin") for other in ROLES),
}


@pytest.mark.parametrize("other_role", ROLES)
@pytest.mark.parametrize("role", ROLES)
async def test_who_may_open_with_whom(messaging: ConversationService, role: Role, other_role: Role) -> None:
    one, other = await messaging.people.make(role), await messaging.people.make(other_role)
    caller = messaging.device(one)
    if (role, other_role) not in ALLOWED:
        with pytest.raises(Refused, match="not_found"):
            await caller.do("conversation:open", {"userId": other.id})
        assert (await caller.do("conversation:list"))["items"] == []
        return
    conversation = (await caller.do("conversation:open", {"userId": other.id}))["conversation"]
    assert {(who["userId"], who["role"]) for who in conversation["participants"]} == {
        (one.id, role),
        (other.id, other_role),
    }
    assert (conversation["head"], conversation["lastMessage"], conversation["unread"]) == (0, None, 0)
    assert await caller.told() == await messaging.device(other).told() == []


async def test_whom_an_administrator_addressed_may_open_it_too(messaging: ConversationService) -> None:
    """Once something was said; until then there is nothing that they could open."""
    admin, client = await messaging.people.make("admin"), await messaging.people.make("client")
    opened = (await messaging.device(admin).do("conversation:open", {"userId": client.id}))["conversation"]
    with pytest.raises(Refused, match="not_found"):
        await messaging.device(client).do("conversation:open", {"userId": admin.id})
    await messaging.device(admin).send(opened["id"], "m")
    found = (await messaging.device(client).do("conversation:open", {"userId": admin.id}))["conversation"]
    assert found["id"] == opened["id"]


async def test_opening_again_answers_the_same(messaging: ConversationService) -> None:
    client, trainer, conversation = await messaging.people.pair()
    await messaging.device(client).send(conversation, "m1")
    for one, other, unread in ((client, trainer, 0), (trainer, client, 1)):
        opened = (await messaging.device(one).do("conversation:open", {"userId": other.id}))["conversation"]
        assert (opened["id"], opened["unread"], opened["lastMessage"]["text"]) == (conversation, unread, "hello")


async def test_a_repeat_under_its_key_answers_the_conversation_as_it_stands(messaging: ConversationService) -> None:
    client, trainer, conversation = await messaging.people.pair()
    phone = messaging.device(client)
    keyed = {"userId": trainer.id, "idempotencyKey": "open"}
    assert (await phone.do("conversation:open", keyed))["conversation"]["head"] == 0
    message = await phone.send(conversation, "m1")
    assert (await phone.do("conversation:open", keyed))["conversation"]["lastMessage"] == message
    other = await messaging.people.make("trainer")
    with pytest.raises(Refused, match="idempotency_conflict"):
        await phone.do("conversation:open", {**keyed, "userId": other.id})
    assert len((await phone.do("conversation:list"))["items"]) == 1


async def test_from_both_sides_at_once_gives_one(messaging: ConversationService, shared_database: Database) -> None:
    nodes = [messaging, messaging.another(), messaging.another()]
    for _ in range(8):
        client, trainer = await asyncio.gather(nodes[0].people.make("client"), nodes[0].people.make("trainer"))
        opening = [
            node.device(one).do("conversation:open", {"userId": other.id})
            for node in nodes
            for one, other in ((client, trainer), (trainer, client))
            for _ in range(2)
        ]
        answers = await asyncio.gather(*opening)
        (conversation_id,) = {answer["conversation"]["id"] for answer in answers}
        participants = shared_database.collection("conversationParticipants")
        assert await participants.count_documents({"conversationId": ObjectId(conversation_id)}) == 2


async def test_oneself_and_nobody(messaging: ConversationService) -> None:
    person = await messaging.people.make("trainer")
    caller = messaging.device(person)
    with pytest.raises(Refused, match="validation_failed"):
        await caller.do("conversation:open", {"userId": person.id})
    with pytest.raises(Refused, match="not_found"):
        await caller.do("conversation:open", {"userId": str(ObjectId())})


@pytest.mark.parametrize(
    "state", [{"isBlocked": True}, {"isDeleted": True}, {"isActive": False}, {"isVerified": False}]
)
async def test_who_cannot_be_reached(
    messaging: ConversationService, shared_database: Database, state: dict[str, bool]
) -> None:
    client, trainer = await messaging.people.make("client"), await messaging.people.make("trainer")
    await _set(shared_database, trainer, state)
    with pytest.raises(Refused, match="not_found"):
        await messaging.device(client).do("conversation:open", {"userId": trainer.id})
    assert (await messaging.device(client).do("conversation:list"))["items"] == []


async def test_a_conversation_outlives_the_reach(messaging: ConversationService, shared_database: Database) -> None:
    """What was said can still be opened when the other side pauses."""
    client, trainer, conversation = await messaging.people.pair()
    await _set(shared_database, trainer, {"isActive": False})
    opened = (await messaging.device(client).do("conversation:open", {"userId": trainer.id}))["conversation"]
    assert opened["id"] == conversation


async def _set(database: Database, person: Person, state: dict[str, bool]) -> None:
    await database.collection("users").update_one({"_id": ObjectId(person.id)}, {"$set": state})
