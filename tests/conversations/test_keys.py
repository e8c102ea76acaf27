"""``idempotencyKey``: a repeat is answered and does nothing, from any device and node, at any time."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from bson import ObjectId

from store.database import Database
from store.idempotency import CLAIM_LASTS, NAME
from store.log.documents import MESSAGES
from tests.conversations.services import Caller, ConversationService
from tests.harness.devices import Data, Refused
from tests.store.writing import now


async def _message(messaging: ConversationService) -> tuple[Caller, Caller, Data]:
    client, trainer, conversation = await messaging.people.pair()
    phone = messaging.device(client)
    return phone, messaging.device(trainer), {"messageId": (await phone.send(conversation, "m"))["id"]}


async def _texts(device: Caller) -> list[str]:
    return [event["message"]["text"] for event in await device.received("message:updated")]


async def test_a_late_repeat_does_not_undo_what_came_after(messaging: ConversationService) -> None:
    phone, other, named = await _message(messaging)
    first: Data = {**named, "text": "one", "idempotencyKey": "1"}
    await phone.do("message:edit", first)
    await phone.do("message:edit", {**named, "text": "two", "idempotencyKey": "2"})
    assert (await phone.do("message:edit", first))["message"]["text"] == "two"
    assert await _texts(other) == ["one", "two"]


async def test_a_repeated_reaction_does_not_come_back(messaging: ConversationService) -> None:
    _, other, named = await _message(messaging)
    on: Data = {**named, "emoji": "👍", "idempotencyKey": "1"}
    await other.do("message:react", on)
    await other.do("message:react", {**named, "emoji": "👍", "remove": True})
    assert (await other.do("message:react", on))["message"]["reactions"] == []


async def test_at_the_same_moment_it_is_done_once(messaging: ConversationService) -> None:
    stages = [messaging, messaging.another(), messaging.another()]
    phone, other, named = await _message(messaging)
    devices = [each.device(phone.person) for each in stages for _ in range(3)]
    for key in range(4):
        command: Data = {**named, "text": f"words {key}", "idempotencyKey": f"{key}"}
        answers = await asyncio.gather(*(device.do("message:edit", command) for device in devices))
        assert {answer["message"]["text"] for answer in answers} == {f"words {key}"}
    seqs = [event["seq"] for event in await other.received("message:updated")]
    assert sorted(seqs) == [2, 3, 4, 5]


async def test_another_body_is_a_conflict(messaging: ConversationService) -> None:
    phone, other, named = await _message(messaging)
    await phone.do("message:edit", {**named, "text": "one", "idempotencyKey": "key"})
    with pytest.raises(Refused, match="idempotency_conflict"):
        await phone.do("message:edit", {**named, "text": "two", "idempotencyKey": "key"})
    assert await _texts(other) == ["one"]


async def test_a_key_belongs_to_its_user_and_command(messaging: ConversationService) -> None:
    phone, other, named = await _message(messaging)
    for device in (phone, other):
        answer = await device.do("message:react", {**named, "emoji": "👍", "idempotencyKey": "key"})
    assert answer["message"]["reactions"] == [{"emoji": "👍", "userIds": [phone.person.id, other.person.id]}]
    await phone.do("message:edit", {**named, "text": "one", "idempotencyKey": "key"})
    await phone.do("message:delete", {**named, "idempotencyKey": "key"})
    assert (await _texts(other))[-2:] == ["one", None]


async def test_only_successes_are_remembered(messaging: ConversationService, shared_database: Database) -> None:
    phone = messaging.device(await messaging.people.make("client"))
    trainer = await messaging.people.make("trainer", verified=False)
    keyed: Data = {"userId": trainer.id, "idempotencyKey": "key"}
    for _ in range(2):
        with pytest.raises(Refused, match="not_found"):
            await phone.do("conversation:open", keyed)
    await shared_database.collection("users").update_one(
        {"_id": ObjectId(trainer.id)}, {"$set": {"isVerified": True}}
    )
    assert (await phone.do("conversation:open", keyed))["conversation"]["head"] == 0


async def test_a_first_one_that_died_is_replaced(messaging: ConversationService, shared_database: Database) -> None:
    """It had changed the message before it died: then there is nothing left to do."""
    phone, other, named = await _message(messaging)
    command: Data = {**named, "text": "words", "idempotencyKey": "key"}
    await phone.do("message:edit", command)
    died = {"$set": {"claimedAt": now() - CLAIM_LASTS - timedelta(seconds=1)}, "$unset": {"result": ""}}
    mine = {"user": ObjectId(phone.person.id), "key": "key"}
    await shared_database.collection(NAME).update_one(mine, died)
    assert (await phone.do("message:edit", command))["message"]["text"] == "words"
    assert await _texts(other) == ["words"]
    await phone.do("message:edit", {**named, "text": "other words"})
    assert (await phone.do("message:edit", command))["message"]["text"] == "other words"


async def test_a_repeat_waits_for_a_first_one_that_is_at_work(
    messaging: ConversationService, shared_database: Database
) -> None:
    phone, _, named = await _message(messaging)
    command: Data = {**named, "text": "words", "idempotencyKey": "key"}
    await phone.do("message:edit", command)
    mine = {"user": ObjectId(phone.person.id), "key": "key"}
    keys = shared_database.collection(NAME)
    found = await keys.find_one(mine)
    assert found
    await keys.update_one(mine, {"$set": {"claimedAt": now()}, "$unset": {"result": ""}})
    repeated = asyncio.ensure_future(phone.do("message:edit", command))
    done, _ = await asyncio.wait([repeated], timeout=0.2)
    assert not done
    await keys.update_one(mine, {"$set": {"result": found["result"]}, "$unset": {"claimedAt": ""}})
    assert (await repeated)["message"]["text"] == "words"


@pytest.mark.parametrize("text", ["one", "other"])
async def test_what_an_earlier_version_committed_under_a_key_is_found(
    messaging: ConversationService, shared_database: Database, text: str
) -> None:
    """By a repeat whose first result was not kept any more: the entry had the key in another field."""
    phone, other, named = await _message(messaging)
    command: Data = {**named, "text": "one", "idempotencyKey": "key"}
    await phone.do("message:edit", command)
    entries = shared_database.collection(MESSAGES)
    renamed = {"$rename": {"commandKey": "clientMessageId"}}
    assert (await entries.update_one({"target": ObjectId(named["messageId"])}, renamed)).modified_count == 1
    await shared_database.collection(NAME).delete_many({"user": ObjectId(phone.person.id)})
    await phone.do("message:edit", {**named, "text": "two"})
    again = messaging.another().device(phone.person)
    if text == "one":
        assert (await again.do("message:edit", command))["message"]["text"] == "two"
    else:
        with pytest.raises(Refused, match="idempotency_conflict"):
            await again.do("message:edit", {**command, "text": text})
    assert await _texts(other) == ["one", "two"]
