"""A change that makes nothing different is no entry, whoever makes it, however many do at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from tests.conversations.services import Caller, ConversationService
from tests.harness.devices import Data

AT_ONCE = 4
SAME: dict[str, tuple[str, Data]] = {
    "delete": ("message:delete", {}),
    "edit": ("message:edit", {"text": "other words"}),
    "react": ("message:react", {"emoji": "👍"}),
    "remove": ("message:react", {"emoji": "🎉", "remove": True}),
}


async def _entries(caller: Caller, conversation: str) -> list[tuple[int, str]]:
    told = (await caller.do("sync", {"cursors": {conversation: 0}}))["conversations"][0]
    return [(entry["seq"], entry["change"]) for entry in told["entries"]]


async def _stands(caller: Caller, message: Data) -> Data:
    listed = (await caller.do("message:list", {"conversationId": message["conversationId"]}))["messages"]
    return {"message": next(one for one in listed if one["id"] == message["id"])}


def _one_node(messaging: ConversationService) -> list[ConversationService]:
    return [messaging]


def _two_nodes(messaging: ConversationService) -> list[ConversationService]:
    return [messaging, messaging.another()]


def _keyed(number: int) -> Data:
    return {"idempotencyKey": f"key {number}"}


def _some_keyed(number: int) -> Data:
    return _keyed(number) if number % 2 else {}


def _unkeyed(number: int) -> Data:
    return {}


@pytest.mark.parametrize(
    ("nodes", "keys"),
    [
        pytest.param(_one_node, _unkeyed, marks=pytest.mark.verify),
        (_one_node, _some_keyed),
        pytest.param(_one_node, _keyed, marks=pytest.mark.verify),
        (_two_nodes, _unkeyed),
        pytest.param(_two_nodes, _some_keyed, marks=pytest.mark.verify),
        (_two_nodes, _keyed),
    ],
)
@pytest.mark.parametrize("same", SAME)
async def test_several_devices_make_one_change_at_once(
    messaging: ConversationService,
    same: str,
    nodes: Callable[[ConversationService], list[ConversationService]],
    keys: Callable[[int], Data],
) -> None:
    """Exactly one entry, under however many keys, and everybody is answered the message as it stands."""
    event, rest = SAME[same]
    client, trainer, conversation = await messaging.people.pair()
    phone, other = messaging.device(client), messaging.device(trainer)
    callers = [place.device(client) for place in nodes(messaging) for _ in range(AT_ONCE)]
    for number in range(3):
        message = await phone.send(conversation, f"m{number}", "words")
        await phone.do("message:react", {"messageId": message["id"], "emoji": "🎉"})
        before = len(await other.received("message:updated"))
        command: Data = {"messageId": message["id"], **rest}
        commands = [{**command, **keys(len(callers) * number + n)} for n in range(len(callers))]
        given = list(zip(callers, commands, strict=True))
        answers = await asyncio.gather(*(caller.do(event, said) for caller, said in given))
        stands = await _stands(phone, message)
        answers += [await caller.do(event, said) for caller, said in given if "idempotencyKey" in said]
        assert all(answer == stands for answer in answers)
        assert len(await _entries(phone, conversation)) == 3 * (number + 1)
        assert len(await other.received("message:updated")) == before + 1


@pytest.mark.parametrize("same", SAME)
async def test_again_it_changes_nothing(messaging: ConversationService, same: str) -> None:
    event, rest = SAME[same]
    client, trainer, conversation = await messaging.people.pair()
    phone, other = messaging.device(client), messaging.device(trainer)
    message = await phone.send(conversation, "m", "words")
    await phone.do("message:react", {"messageId": message["id"], "emoji": "🎉"})
    command: Data = {"messageId": message["id"], **rest}
    first = await phone.do(event, command)
    assert [await caller.do(event, command) for caller in (phone, messaging.another().device(client))] == [first, first]
    assert len(await _entries(other, conversation)) == 3


async def test_what_is_not_there_is_not_removed(messaging: ConversationService) -> None:
    client, trainer, conversation = await messaging.people.pair()
    phone, other = messaging.device(client), messaging.device(trainer)
    message = await phone.send(conversation, "m", "words")
    command: Data = {"messageId": message["id"], "emoji": "👍", "remove": True}
    await asyncio.gather(*(phone.do("message:react", command) for _ in range(3)))
    await phone.do("message:edit", {"messageId": message["id"], "text": "words"})
    assert await _entries(other, conversation) == [(1, "new")]


async def test_there_and_back_are_changes_each_time(messaging: ConversationService) -> None:
    client, trainer, conversation = await messaging.people.pair()
    phone, other = messaging.device(client), messaging.device(trainer)
    named: Data = {"messageId": (await phone.send(conversation, "m", "a"))["id"]}
    for _ in range(3):
        await other.do("message:react", {**named, "emoji": "👍"})
        await phone.do("message:edit", {**named, "text": "b"})
        await other.do("message:react", {**named, "emoji": "👍", "remove": True})
        stands = (await phone.do("message:edit", {**named, "text": "a"}))["message"]
    assert (stands["text"], stands["reactions"]) == ("a", [])
    assert [seq for seq, _ in await _entries(phone, conversation)] == [*range(1, 14)]
