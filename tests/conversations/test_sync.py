"""``sync``: what is told of conversations that were named, and of those that were not."""

from __future__ import annotations

import asyncio
import re

import pytest

from domain.times import whole_milliseconds
from server.app import utc_now
from tests.conversations.services import Caller, ConversationService
from tests.harness.devices import Data, Refused


async def _talks(messaging: ConversationService, *messages: int) -> tuple[Caller, list[str]]:
    """A trainer and conversations with so many messages of the clients each, ``1``, ``2``, …"""
    trainer = await messaging.people.make("trainer")
    ids = []
    for count in messages:
        client = await messaging.people.make("client")
        at = whole_milliseconds(utc_now())
        await messaging.store.conversations.open(client.id, trainer.id, at)
        opened = await messaging.store.conversations.open(trainer.id, client.id, at)
        ids.append(opened.membership.conversation_id)
        device = messaging.device(client)
        await asyncio.gather(*(device.send(ids[-1], str(n), str(n)) for n in range(1, count + 1)))
    await messaging.settled()
    return messaging.device(trainer), ids


def _texts(told: Data) -> list[str]:
    return [entry["message"]["text"] for entry in told["entries"]]


def _by_id(answer: Data) -> dict[str, Data]:
    told = {each["conversation"]["id"]: each for each in answer["conversations"]}
    assert len(told) == len(answer["conversations"])
    return told


async def test_pages_over_several_conversations(messaging: ConversationService) -> None:
    device, ids = await _talks(messaging, 5, 7, 0, 4)
    cursors, texts, rounds = dict.fromkeys(ids, 0), {i: list[str]() for i in ids}, 0
    more = True
    while more:
        answer = await device.do("sync", {"cursors": cursors, "limit": 3})
        told, rounds = _by_id(answer), rounds + 1
        assert told.keys() == set(ids)
        assert sum(len(each["entries"]) for each in told.values()) == 3 or not answer["hasMore"]
        for i, each in told.items():
            texts[i] += _texts(each)
            assert each["hasMore"] is (each["cursor"] < each["conversation"]["head"])
            assert [entry["seq"] for entry in each["entries"]] == [*range(cursors[i] + 1, each["cursor"] + 1)]
        cursors, more = {i: each["cursor"] for i, each in told.items()}, answer["hasMore"]
    assert [len(texts[i]) for i in ids] == [5, 7, 0, 4]
    assert rounds == 6
    assert all(texts[i] == [str(n) for n in range(1, len(texts[i]) + 1)] for i in ids)


async def test_nothing_new_is_told_with_the_watermarks(messaging: ConversationService) -> None:
    device, (conversation,) = await _talks(messaging, 2)
    await device.do("conversation:seen", {"conversationId": conversation, "seq": 2})
    answer = await device.do("sync", {"cursors": {conversation: 2}})
    (told,) = answer["conversations"]
    assert (told["entries"], told["cursor"], told["hasMore"], answer["hasMore"]) == ([], 2, False, False)
    marks = {(who["userId"] == device.person.id): (who["seenSeq"], who["deliveredSeq"]) for who in _people(told)}
    assert marks == {True: (2, 2), False: (0, 0)}


def _people(told: Data) -> list[Data]:
    people: list[Data] = told["conversation"]["participants"]
    return people


async def test_what_is_not_named_starts_with_its_newest_20(messaging: ConversationService) -> None:
    device, (long, short, empty) = await _talks(messaging, 23, 3, 0)
    answer = await device.do("sync", {"cursors": {}})
    told = _by_id(answer)
    assert _texts(told[long]) == [str(n) for n in range(4, 24)]
    assert _texts(told[short]) == ["1", "2", "3"]
    assert _texts(told[empty]) == []
    assert all(each["reset"] is True for each in told.values())
    assert [(told[i]["cursor"], told[i]["hasMore"]) for i in (long, short, empty)] == [
        (23, False), (3, False), (0, False),
    ]  # fmt: skip
    assert answer["hasMore"] is False


async def test_newest_messages_are_told_in_their_newest_state(messaging: ConversationService) -> None:
    """Changes are not among the 20, but in them; the cursor stands behind the changes."""
    device, (conversation,) = await _talks(messaging, 1)
    for n in range(30):
        await device.send(conversation, f"t{n}", f"t{n}")
    (told,) = (await device.do("sync", {"cursors": {}}))["conversations"]
    last = told["entries"][-1]["message"]
    await device.do("message:edit", {"messageId": last["id"], "text": "edited"})
    await device.do("message:react", {"messageId": last["id"], "emoji": "👍"})
    await device.do("message:delete", {"messageId": told["entries"][0]["message"]["id"]})
    (told,) = (await device.do("sync", {"cursors": {}}))["conversations"]
    assert [entry["change"] for entry in told["entries"]] == ["new"] * 20
    assert (told["cursor"], told["conversation"]["head"]) == (34, 34)
    assert told["entries"][0]["message"]["text"] is None
    assert told["entries"][-1]["message"]["text"] == "edited"
    assert told["entries"][-1]["message"]["reactions"] == [{"emoji": "👍", "userIds": [device.person.id]}]


async def test_named_and_unnamed_together(messaging: ConversationService) -> None:
    device, (named, unnamed) = await _talks(messaging, 4, 2)
    told = _by_id(await device.do("sync", {"cursors": {named: 3}}))
    assert (_texts(told[named]), told[named].get("reset")) == (["4"], None)
    assert (_texts(told[unnamed]), told[unnamed]["reset"]) == (["1", "2"], True)


async def test_a_cursor_beyond_the_head_starts_over(messaging: ConversationService) -> None:
    device, (conversation, other) = await _talks(messaging, 22, 1)
    told = _by_id(await device.do("sync", {"cursors": {conversation: 23, other: 1}}))
    assert told[conversation]["reset"] is True
    assert (told[conversation]["cursor"], len(told[conversation]["entries"])) == (22, 20)
    assert (told[other].get("reset"), told[other]["entries"]) == (None, [])


async def _long_talks(messaging: ConversationService) -> tuple[Caller, list[str]]:
    """More than fits an answer: 20 messages each, as long as they get."""
    device, ids = await _talks(messaging, *[0] * 6)
    for conversation in ids:
        for start in (0, 10):
            sends = (device.send(conversation, f"m{start + n}", "ж" * 4000) for n in range(10))
            await asyncio.gather(*sends)
    return device, ids


async def test_many_that_start_over_take_several_answers(messaging: ConversationService) -> None:
    device, ids = await _long_talks(messaging)
    cursors, answers, more = dict.fromkeys(ids, 21), 0, True
    while more:
        answer = await device.do("sync", {"cursors": cursors})
        started = {i: each for i, each in _by_id(answer).items() if each.get("reset")}
        assert 0 < sum(len(text.encode()) for each in started.values() for text in _texts(each)) < 200_000
        assert all((each["cursor"], len(each["entries"])) == (20, 20) for each in started.values())
        cursors |= {i: each["cursor"] for i, each in started.items()}
        answers, more = answers + 1, answer["hasMore"]
    assert cursors == dict.fromkeys(ids, 20)
    assert 6 <= answers <= 12


async def test_whoever_has_to_wait_to_start_over_misses_nothing_said_meanwhile(messaging: ConversationService) -> None:
    """The head has passed the device's old cursor when it asks again."""
    device, ids = await _long_talks(messaging)
    first = _by_id(await device.do("sync", {"cursors": dict.fromkeys(ids, 21)}))
    waiting = [i for i, each in first.items() if not each.get("reset")]
    assert waiting
    for conversation in waiting:
        for number in (21, 22):
            await device.send(conversation, str(number), str(number))
    started = {i: each for i, each in first.items() if each.get("reset")}
    cursors = dict.fromkeys(ids, 21) | {i: each["cursor"] for i, each in first.items()}
    while started.keys() != set(ids):
        again = _by_id(await device.do("sync", {"cursors": cursors}))
        started |= {i: each for i, each in again.items() if each.get("reset")}
        cursors |= {i: each["cursor"] for i, each in again.items()}
    for conversation in waiting:
        assert _texts(started[conversation])[-2:] == ["21", "22"]


async def test_more_than_a_hundred_that_are_not_named(messaging: ConversationService) -> None:
    trainer = await messaging.people.make("trainer")
    clients = [messaging.store.users.new_id() for _ in range(130)]
    at = whole_milliseconds(utc_now())
    await asyncio.gather(*(messaging.store.conversations.open(trainer.id, client, at) for client in clients))
    device, cursors, sizes, more = messaging.device(trainer), dict[str, int](), list[int](), True
    while more:
        answer = await device.do("sync", {"cursors": cursors})
        fresh = [each for each in answer["conversations"] if each.get("reset")]
        assert {each["conversation"]["id"] for each in answer["conversations"]} - cursors.keys() == {
            each["conversation"]["id"] for each in fresh
        }
        sizes.append(len(fresh))
        cursors |= {each["conversation"]["id"]: each["cursor"] for each in fresh}
        more = answer["hasMore"]
    assert sizes == [100, 30]
    assert len(cursors) == 130


@pytest.mark.parametrize(
    "command",
    [
        {"cursors": {}, "limit": 0}, {"cursors": {}, "limit": 501}, {"cursors": {}, "limit": "1"},
        {"cursors": {}, "since": 1}, {"cursors": {}, "only": 1}, {"cursors": {"f" * 24: {"state": "x"}}},
        {"cursors": {"f" * 24: {"seq": 1, "state": ""}}}, {"cursors": {"f" * 24: {"seq": 1, "state": "$ne"}}},
        {"cursors": {"f" * 24: {"seq": 1, "state": {"$ne": "x"}}}}, {"cursors": {"f" * 24: {"seq": 1, "x": 1}}},
        {"cursors": {"f" * 24: {"seq": -1}}}, {"cursors": {"f" * 24: {"seq": 1, "state": "x" * 65}}},
        {"cursors": {"x": 0}}, {"cursors": {"f" * 24: -1}}, {"cursors": []},
        {"cursors": {"f" * 24: 0.5}}, {"cursors": {"f" * 24: 2**53}},
        {"cursors": {f"{n:024x}": 0 for n in range(2001)}},
    ],
)  # fmt: skip
async def test_what_is_refused(messaging: ConversationService, command: Data) -> None:
    with pytest.raises(Refused, match="validation_failed") as refused:
        await messaging.device(await messaging.people.make("client")).do("sync", command)
    (error,) = refused.value.error["errors"]
    assert re.split(r"[.[]", error["field"])[0] in {"cursors", "limit", "since", "only"}


async def test_large_messages_come_in_answers_that_a_socket_can_take(messaging: ConversationService) -> None:
    device, (conversation,) = await _talks(messaging, 0)
    words = "ж" * 4000
    for start in range(0, 90, 15):
        # More at once and a Python client that polls would exceed the size of a body, of which it takes no notice.
        await asyncio.gather(*(device.send(conversation, f"m{n}", words) for n in range(start, start + 15)))
    cursor, told, answers = 0, 0, 0
    while cursor < 90:
        (each,) = (await device.do("sync", {"cursors": {conversation: cursor}, "limit": 500}))["conversations"]
        assert 0 < sum(len(text.encode()) for text in _texts(each)) < 200_000
        cursor, told, answers = each["cursor"], told + len(each["entries"]), answers + 1
    assert told == 90
    assert 4 <= answers <= 6
