"""Three devices of two people send at once and repeat themselves; what has to come of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Protocol

import pytest

from tests.harness.devices import Data, Refused

MESSAGES = 300
# One conversation's entries are committed one after the other, each to be acknowledged within ten seconds: few enough
# that a machine may take a third of a second for each.
AT_ONCE = 30


class Phone(Protocol):
    async def do(self, event: str, data: Data | None = None) -> Data: ...
    async def send(self, conversation_id: str, client_message_id: str, text: str = "hello") -> Data: ...
    def events(self, name: str) -> list[Data]: ...
    async def receive(self, name: str, count: int = 1) -> list[Data]: ...


@dataclass(frozen=True)
class Sending:
    """One message: the devices that send it at the same moment, and those that repeat it afterwards."""

    key: str
    at_once: Sequence[Phone]
    later: Sequence[Phone]


def plan(people: Sequence[Sequence[Phone]], messages: int = MESSAGES) -> list[Sending]:
    """``people``: the devices of each. Every message is sent one to three times, from any device of its sender."""
    chance = Random(300)
    sendings = []
    for number in range(messages):
        devices = chance.choice(people)
        attempts = [chance.choice(devices) for _ in range(chance.randint(1, 3))]
        split = chance.randint(1, len(attempts))
        sendings.append(Sending(f"message {number}", attempts[:split], attempts[split:]))
    return sendings


async def carry_out(conversation_id: str, sendings: Sequence[Sending]) -> list[Data]:
    """Send many at once; answers the messages, each as all its attempts were answered, by ``seq``."""
    places = asyncio.Semaphore(AT_ONCE)

    async def in_turn(sending: Sending) -> Data:
        async with places:
            return await _carry_out(conversation_id, sending)

    messages = await asyncio.gather(*map(in_turn, sendings))
    return sorted(messages, key=lambda message: int(message["seq"]))


async def _carry_out(conversation_id: str, sending: Sending) -> Data:
    text = f"the text of {sending.key}"
    answers = await asyncio.gather(*(phone.send(conversation_id, sending.key, text) for phone in sending.at_once))
    for phone in sending.later:
        answers.append(await phone.send(conversation_id, sending.key, text))
    assert all(answer == answers[0] for answer in answers), answers
    assert (answers[0]["clientMessageId"], answers[0]["text"]) == (sending.key, text)
    return answers[0]


async def check_received(conversation_id: str, phone: Phone, messages: Sequence[Data]) -> None:
    """Each message once and in order, and the same again by ``sync`` from nothing."""
    expected = [
        {"conversationId": conversation_id, "seq": message["seq"], "message": message} for message in messages
    ]
    await phone.receive("message:new", len(messages))
    assert await sync_from_nothing(conversation_id, phone, 500) == list(messages)
    assert await sync_from_nothing(conversation_id, phone, 77) == list(messages)
    # The answer came after everything that was said before it: nothing is on its way any more.
    assert phone.events("message:new") == expected
    assert len(phone.events("conversation:new")) == 1
    assert phone.events("message:updated") == []


async def sync_from_nothing(conversation_id: str, phone: Phone, limit: int) -> list[Data]:
    cursor, more, messages = 0, True, []
    while more:
        answer = await phone.do("sync", {"cursors": {conversation_id: cursor}, "limit": limit})
        (told,) = answer["conversations"]
        assert "reset" not in told
        assert len(told["entries"]) <= limit
        messages += [entry["message"] for entry in told["entries"]]
        cursor, more = told["cursor"], answer["hasMore"]
        assert cursor == messages[-1]["seq"]
    return messages


async def check_outsider(conversation_id: str, message_id: str, phone: Phone) -> None:
    """A stranger can neither read nor write nor learn that there is anything."""
    conversation, message = {"conversationId": conversation_id}, {"messageId": message_id}
    for event, data in (
        ("message:send", {**conversation, "clientMessageId": "x", "text": "x"}),
        ("message:send", {**conversation, "clientMessageId": "message 0", "text": "x"}),
        ("message:list", conversation),
        ("message:search", {**conversation, "query": "text"}),
        ("message:edit", {**message, "text": "x"}),
        ("message:delete", message),
        ("message:react", {**message, "emoji": "👍"}),
        ("conversation:seen", {**conversation, "seq": 1}),
        ("conversation:delivered", {**conversation, "seq": 1}),
        ("conversation:mute", conversation),
        ("typing", {**conversation, "active": True}),
        ("message:list", {**conversation, "afterSeq": 0}),
        ("message:get", message),
    ):
        with pytest.raises(Refused, match="not_found"):
            await phone.do(event, data)
    gone = {"conversations": [], "gone": [conversation_id], "hasMore": False}
    assert await phone.do("sync", {"cursors": {conversation_id: 0}}) == gone
    assert (await phone.do("conversation:list"))["items"] == []
    assert await phone.do("conversation:unread") == {"total": 0, "conversations": 0}
    await phone.do("conversation:seen-all")
    assert (await phone.do("sync", {"cursors": {}}))["conversations"] == []
    assert (await phone.do("message:search", {"query": "text"}))["items"] == []
    for name in ("message:new", "conversation:new", "message:updated", "typing", "conversation:seen"):
        assert phone.events(name) == []
