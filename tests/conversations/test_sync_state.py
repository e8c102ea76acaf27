"""``sync`` with ``state``, ``only`` and ``gone``; and what bounds an answer."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator
from time import perf_counter

import aiohttp
import pytest
from bson import ObjectId

from domain.times import whole_milliseconds
from domain.wire.pages import ANSWER_BYTES
from handlers.messages import sync as syncing
from server.app import utc_now
from store.database import Database
from store.log.documents import MESSAGES, message_document
from tests.conversations.services import Caller, ConversationService, OneNodeService
from tests.harness.devices import Data
from tests.harness.service import Service
from tests.store.writing import a_message

MOST_BYTES = 200_000
LONGEST = "\U0001f3cb" * 4000


@pytest.fixture
async def node(shared_database: Database) -> AsyncIterator[OneNodeService]:
    messaging = OneNodeService(shared_database)
    yield messaging
    await messaging.settled()


async def _talks(messaging: ConversationService, *messages: int, text: str = "hello") -> tuple[Caller, list[str]]:
    """A trainer and conversations with so many messages of a client's each."""
    trainer = await messaging.people.make("trainer")
    ids = []
    for count in messages:
        client = await messaging.people.make("client")
        # One without an entry is its opener's.
        opener, other = (client.id, trainer.id) if count else (trainer.id, client.id)
        opened = await messaging.store.conversations.open(opener, other, whole_milliseconds(utc_now()))
        conversation = opened.membership.conversation_id
        ids.append(conversation)
        documents = [
            {**message_document(a_message(conversation, client.id, f"{seq}", text)), "seq": seq}
            for seq in range(1, count)
        ]
        if documents:
            await messaging.store.database.collection(MESSAGES).insert_many(documents)
        if count:
            await messaging.device(client).send(conversation, f"{count}", text)
    await messaging.settled()
    return messaging.device(trainer), ids


def _taken(answer: Data, cursors: Data, *, states: bool = True) -> Data:
    """What to name next."""
    told = {
        each["conversation"]["id"]: {"seq": each["cursor"], "state": each["state"]} if states else each["cursor"]
        for each in answer["conversations"]
    }
    return {i: cursor for i, cursor in {**cursors, **told}.items() if i not in answer.get("gone", ())}


async def _all(
    device: Caller, cursors: Data, *, states: bool = True, rounds: int = 400, **how: object
) -> tuple[list[Data], Data]:
    """Answers until there is no more, and what to name next; each of them within the cap."""
    answers: list[Data] = []
    more = True
    while more:
        assert len(answers) < rounds
        answer = await device.do("sync", {"cursors": cursors, **how})
        assert len(json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode()) <= MOST_BYTES
        answers.append(answer)
        cursors, more = _taken(answer, cursors, states=states), answer["hasMore"]
    return answers, cursors


def _told(answer: Data) -> list[str]:
    return [each["conversation"]["id"] for each in answer["conversations"]]


# --- state ---


async def test_nothing_new_in_forty_conversations_is_next_to_nothing(node: OneNodeService) -> None:
    device, ids = await _talks(node, *[3] * 40)
    _, cursors = await _all(device, {})
    assert cursors.keys() == set(ids)
    for how in ({}, {"only": True}):
        answer = await device.do("sync", {"cursors": cursors, **how})
        assert answer == {"conversations": [], "hasMore": False}
        assert len(json.dumps(answer)) < 200


async def test_only_what_changed_is_told(messaging: ConversationService) -> None:
    device, ids = await _talks(messaging, 2, 2, 2, 2)
    _, cursors = await _all(device, {})
    await device.do("conversation:seen", {"conversationId": ids[0], "seq": 1})
    await device.send(ids[1], "mine")
    answer = await device.do("sync", {"cursors": cursors})
    told = {each["conversation"]["id"]: each for each in answer["conversations"]}
    assert told.keys() == {ids[0], ids[1]}
    assert told[ids[0]]["entries"] == []
    assert told[ids[0]]["state"] != cursors[ids[0]]["state"]
    assert [entry["seq"] for entry in told[ids[1]]["entries"]] == [3]
    assert told[ids[1]]["state"] == cursors[ids[1]]["state"]
    assert (await device.do("sync", {"cursors": _taken(answer, cursors)}))["conversations"] == []


async def test_what_is_part_of_the_state(messaging: ConversationService) -> None:
    client, trainer, conversation = await messaging.people.pair()
    mine, theirs = messaging.device(client), messaging.device(trainer)
    await mine.send(conversation, "m")
    store = messaging.store
    named = {"conversationId": conversation}

    async def states() -> list[str]:
        answers = [await device.do("sync", {"cursors": {conversation: 1}}) for device in (mine, theirs)]
        return [answer["conversations"][0]["state"] for answer in answers]

    async def rename() -> None:
        await store.database.collection("trainers").update_one({"user": ObjectId(trainer.id)}, {"$set": {"name": "N"}})

    async def picture() -> None:
        update = {"$set": {"profile_image": str(ObjectId())}}
        await store.database.collection("clients").update_one({"user": ObjectId(client.id)}, update)

    before = await states()
    assert await states() == before
    for change, changed in (
        (mine.do("conversation:mute", named), [True, False]),
        (theirs.do("conversation:delivered", {**named, "seq": 1}), [True, True]),
        (theirs.do("conversation:seen", {**named, "seq": 1}), [True, True]),
        (rename(), [True, True]),
        (picture(), [True, True]),
        (mine.do("conversation:mute", {**named, "until": None}), [True, False]),
    ):
        await change
        now = await states()
        assert [one != other for one, other in zip(now, before, strict=True)] == changed
        before = now


async def test_a_strange_state_is_told_anew(messaging: ConversationService) -> None:
    device, (conversation,) = await _talks(messaging, 1)
    for named in (1, {"seq": 1}, {"seq": 1, "state": None}, {"seq": 1, "state": "of-another-version"}):
        (told,) = (await device.do("sync", {"cursors": {conversation: named}}))["conversations"]
        assert (told["entries"], told["cursor"]) == ([], 1)
        again = {"seq": 1, "state": told["state"]}
        assert (await device.do("sync", {"cursors": {conversation: again}}))["conversations"] == []


async def test_those_without_room_are_left_out_unless_they_are_news(messaging: ConversationService) -> None:
    device, ids = await _talks(messaging, 30, 30, 30)
    _, cursors = await _all(device, {})
    behind = {i: {**cursor, "seq": 5} for i, cursor in cursors.items()}
    answer = await device.do("sync", {"cursors": behind, "limit": 10})
    assert (len(_told(answer)), answer["hasMore"]) == (1, True)
    _, reached = await _all(device, behind, limit=10)
    assert {i: cursor["seq"] for i, cursor in reached.items()} == dict.fromkeys(ids, 30)


# --- only, gone ---


async def test_only_leaves_out_those_not_named(messaging: ConversationService) -> None:
    device, ids = await _talks(messaging, 1, 1, 1)
    answer = await device.do("sync", {"cursors": {ids[0]: 0}, "only": True})
    assert (_told(answer), answer["hasMore"]) == ([ids[0]], False)
    assert await device.do("sync", {"cursors": {}, "only": True}) == {"conversations": [], "hasMore": False}


async def test_those_that_are_gone_are_named_and_the_others_answered(messaging: ConversationService) -> None:
    device, (mine, other) = await _talks(messaging, 1, 1)
    _, (foreign,) = await _talks(messaging, 1)
    unknown = "f" * 24
    cursors = {foreign: 0, mine: 0, unknown: {"seq": 3, "state": "x"}}
    answer = await device.do("sync", {"cursors": cursors})
    assert answer["gone"] == [foreign, unknown]
    assert set(_told(answer)) == {mine, other}
    assert "gone" not in await device.do("sync", {"cursors": {mine: 0}})
    alone = await device.do("sync", {"cursors": {foreign: 0}, "only": True})
    assert alone == {"conversations": [], "gone": [foreign], "hasMore": False}


async def test_two_thousand_that_are_gone(node: OneNodeService) -> None:
    device, (mine,) = await _talks(node, 3)
    cursors: Data = {f"{n:024x}": 0 for n in range(1999)} | {mine: 0}
    answers, cursors = await _all(device, cursors, limit=1)
    assert len(answers[0]["gone"]) == 1999
    assert {i: named["seq"] for i, named in cursors.items()} == {mine: 3}


# --- limit ---


@pytest.mark.parametrize("limit", [1, 7, 20, 25, 100, 500])
async def test_a_limit_bounds_a_fresh_device_too(node: OneNodeService, limit: int) -> None:
    device, ids = await _talks(node, 25, 0, 4, 22)
    answers, cursors = await _all(device, {}, limit=limit)
    assert {i: named["seq"] for i, named in cursors.items()} == dict(zip(ids, (25, 0, 4, 22), strict=True))
    started: dict[str, list[int]] = {}
    for answer in answers:
        assert sum(len(each["entries"]) for each in answer["conversations"]) <= limit
        for each in answer["conversations"]:
            assert (each["reset"], each["cursor"]) == (True, each["conversation"]["head"])
            assert each["conversation"]["id"] not in started
            started[each["conversation"]["id"]] = [entry["seq"] for entry in each["entries"]]
    # Each starts with as many of its newest as any answer can have, whatever stood beside it.
    of_each = min(20, limit)
    assert started == {
        i: [*range(max(1, head - of_each + 1), head + 1)] for i, head in zip(ids, (25, 0, 4, 22), strict=True)
    }


async def test_a_limit_bounds_what_starts_over(node: OneNodeService) -> None:
    device, ids = await _talks(node, 25, 25, 25)
    answers, cursors = await _all(device, dict.fromkeys(ids, 99), limit=30)
    assert [sum(len(each["entries"]) for each in answer["conversations"]) for answer in answers] == [20, 20, 20]
    assert {i: named["seq"] for i, named in cursors.items()} == dict.fromkeys(ids, 25)


async def test_a_fresh_device_s_first_screen_is_there_at_once(node: OneNodeService) -> None:
    """50 ms on the server."""
    device, _ = await _talks(node, *[25] * 40)
    fastest, tries = 9.0, 0
    # What a machine has to do besides is not the server's time: one undisturbed answer of many is enough.
    while fastest >= 3 * 0.05 and tries < 50:
        begun = perf_counter()
        answer = await device.do("sync", {"cursors": {}})
        fastest, tries = min(fastest, perf_counter() - begun), tries + 1
        assert answer["hasMore"] is True
    assert fastest < 3 * 0.05


# --- bytes ---


async def test_the_largest_of_everything_comes_in_answers_of_200_kb(node: OneNodeService) -> None:
    device, ids = await _talks(node, 30, 3, 0, text=LONGEST)
    answers, cursors = await _all(device, {}, limit=500)
    assert {i: named["seq"] for i, named in cursors.items()} == dict(zip(ids, (30, 3, 0), strict=True))
    starts = {each["conversation"]["id"]: each for answer in answers for each in answer["conversations"]}
    told = [entry["seq"] for entry in starts[ids[0]]["entries"]]
    # As many of the newest as an answer takes.
    assert told == [*range(31 - len(told), 31)]
    assert 10 <= len(told) < 20
    answers, cursors = await _all(device, dict.fromkeys(ids, 0), limit=500)
    assert {i: named["seq"] for i, named in cursors.items()} == dict(zip(ids, (30, 3, 0), strict=True))
    assert 3 <= len(answers) <= 5


async def test_pages_of_long_messages_are_as_small(node: OneNodeService) -> None:
    device, ids = await _talks(node, 40, *[1] * 20, text=LONGEST)
    for command, field in (
        (("message:list", {"conversationId": ids[0], "limit": 100}), "messages"),
        (("message:list", {"conversationId": ids[0], "limit": 100, "afterSeq": 0}), "messages"),
        (("conversation:list", {"limit": 100}), "items"),
    ):
        answer = await device.do(*command)
        assert 5 < len(answer[field]) < 13
        assert len(json.dumps(answer, ensure_ascii=False).encode()) <= MOST_BYTES
        assert answer.get("hasMore") or answer.get("nextCursor")
    listed: list[Data] = []
    page: Data = {}
    while not listed or page["nextCursor"]:
        page = await device.do("conversation:list", {"limit": 100} | ({"cursor": page["nextCursor"]} if page else {}))
        listed += page["items"]
    assert sorted(each["id"] for each in listed) == sorted(ids)


async def test_whoever_names_by_seq_alone_gets_there_too(node: OneNodeService) -> None:
    """More conversations with long last messages than an answer takes: the rest is not kept from its place."""
    device, ids = await _talks(node, *[2] * 30, text=LONGEST)
    _, cursors = await _all(device, {}, states=False, rounds=60)
    assert cursors == dict.fromkeys(ids, 2)
    (last,), _ = await _all(device, cursors, states=False)
    assert 0 < len(_told(last)) < 30
    # With the state that came with each, all of them are told in turn.
    _, cursors = await _all(device, dict.fromkeys(ids, 0))
    assert all(named["seq"] == 2 and named["state"] for named in cursors.values())


@pytest.mark.parametrize("room", [3_000, pytest.param(20_000, marks=pytest.mark.verify), ANSWER_BYTES])
async def test_from_anywhere_to_the_heads_with_any_room(
    node: OneNodeService, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    """Every entry past the cursors once and in order, whatever an answer takes."""
    rng = random.Random(room)
    device, ids = await _talks(node, *(rng.choice((0, 1, 5, 25)) for _ in range(14)), text="ж" * 600)
    monkeypatch.setattr(syncing, "ANSWER_BYTES", room)
    heads = await node.store.log.read.heads(ids)
    for _ in range(6):
        cursors: Data = {}
        for i in rng.sample(ids, rng.choice((0, 3, 14))):
            seq = rng.choice((0, 1, 3, 26, 2**53 - 1))
            cursors[i] = rng.choice((seq, {"seq": seq, "state": "none"}))
        reached = {i: named if isinstance(named, int) else named["seq"] for i, named in cursors.items()}
        limit, more, rounds = rng.choice((1, 10, 500)), True, 0
        while more:
            answer, rounds = await device.do("sync", {"cursors": cursors, "limit": limit}), rounds + 1
            assert rounds < 1000
            assert sum(len(each["entries"]) for each in answer["conversations"]) <= limit
            for each in answer["conversations"]:
                i, seqs = each["conversation"]["id"], [entry["seq"] for entry in each["entries"]]
                if each.get("reset"):
                    assert reached.get(i, 2**53) > heads[i]
                    assert seqs == [*range(each["cursor"] - len(seqs) + 1, each["cursor"] + 1)]
                elif each["cursor"] != 2**53 - 1:
                    assert seqs == [*range(reached[i] + 1, each["cursor"] + 1)]
                reached[i] = each["cursor"]
            cursors, more = _taken(answer, cursors), answer["hasMore"]
        assert reached == heads


async def test_the_same_without_a_socket(service: Service) -> None:
    client, trainer, conversation = await service.people.pair()
    async with service.device(client) as phone, aiohttp.ClientSession() as http:
        await phone.send(conversation, "m")

        async def sync(body: Data) -> Data:
            headers = {"Authorization": f"Bearer {trainer.token}"}
            async with http.post(f"{service.url}/v1/sync", json=body, headers=headers) as response:
                assert response.status == 200
                answer: Data = await response.json()
                return answer

        fresh = await sync({"cursors": {}, "limit": 1})
        (told,) = fresh["conversations"]
        named = {conversation: {"seq": told["cursor"], "state": told["state"]}}
        assert await sync({"cursors": named}) == {"conversations": [], "hasMore": False}
        gone = await sync({"cursors": {**named, "f" * 24: 1}, "only": True})
        assert gone == {"conversations": [], "gone": ["f" * 24], "hasMore": False}
        await asyncio.gather(*(phone.send(conversation, f"{n}") for n in range(3)))
        (told,) = (await sync({"cursors": named, "limit": 2}))["conversations"]
        assert (told["cursor"], told["hasMore"]) == (3, True)
        url = f"{service.url}/v1/conversations/{conversation}/messages"
        for query, status, seqs in (
            ("afterSeq=1&limit=2", 200, [2, 3]),
            ("afterSeq=3", 200, [4]),
            ("beforeSeq=3&limit=1", 200, [2]),
            ("beforeSeq=3&afterSeq=1", 422, []),
        ):
            async with http.get(f"{url}?{query}", headers={"Authorization": f"Bearer {trainer.token}"}) as response:
                assert response.status == status
                assert [message["seq"] for message in (await response.json()).get("messages", ())] == seqs
