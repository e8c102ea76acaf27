"""Readers beside writers: what an answer says of a message holds every change up to the answer's cursor."""

from __future__ import annotations

import asyncio

import pytest

from store.database import Database
from tests.conversations.services import Caller, OneNodeService

# The more, the likelier a reader comes in between.
ROUNDS = pytest.mark.parametrize("rounds", [30, pytest.param(80, marks=pytest.mark.verify)])


async def _edit(writer: Caller, message_id: str, rounds: int) -> None:
    for number in range(1, rounds + 1):
        await writer.do("message:edit", {"messageId": message_id, "text": f"version {number}"})


def _version(message: dict[str, str]) -> int:
    return int(message["text"].removeprefix("version "))


@ROUNDS
async def test_sync_never_passes_a_change_by(shared_database: Database, rounds: int) -> None:
    """The message is entry 1, and entry n + 1 its version n: a cursor at n + 1 has to come with that version."""
    writing, reading = OneNodeService(shared_database), OneNodeService(shared_database)
    client, trainer, conversation = await writing.people.pair()
    message = await writing.device(client).send(conversation, "m", "version 0")
    editing = asyncio.ensure_future(_edit(writing.device(client), message["id"], rounds))

    async def follow(device: Caller) -> None:
        cursor = 1
        while cursor <= rounds:
            (told,) = (await device.do("sync", {"cursors": {conversation: cursor}}))["conversations"]
            for entry in told["entries"]:
                assert _version(entry["message"]) >= told["cursor"] - 1, told
            assert _version(told["conversation"]["lastMessage"]) >= told["conversation"]["head"] - 1
            cursor = told["cursor"]

    async def start(device: Caller) -> None:
        while not editing.done():
            (told,) = (await device.do("sync", {"cursors": {}}))["conversations"]
            assert _version(told["entries"][0]["message"]) >= told["cursor"] - 1, told

    # Many readers, because the moment between two reads of one answer is short.
    readers = [read(reading.device(person)) for person in (client, trainer) for read in (follow, start, start, start)]
    await asyncio.gather(editing, *readers)


@ROUNDS
async def test_a_page_never_passes_a_change_by(shared_database: Database, rounds: int) -> None:
    writing, reading = OneNodeService(shared_database), OneNodeService(shared_database)
    client, trainer, conversation = await writing.people.pair()
    message = await writing.device(client).send(conversation, "m", "version 0")
    editing = asyncio.ensure_future(_edit(writing.device(client), message["id"], rounds))
    device = reading.device(trainer)
    while not editing.done():
        acknowledged = len(writing.recorder.events(trainer, "message:updated"))
        (found,) = (await device.do("message:list", {"conversationId": conversation}))["messages"]
        assert _version(found) >= acknowledged
    await editing


@ROUNDS
async def test_unread_and_last_message_are_those_of_the_head(shared_database: Database, rounds: int) -> None:
    """A device counts on from there as it receives what is past the head."""
    writing, reading = OneNodeService(shared_database), OneNodeService(shared_database)
    client, trainer, conversation = await writing.people.pair()
    phone = writing.device(client)
    sending = asyncio.gather(*(phone.send(conversation, str(number)) for number in range(rounds)))

    async def look(device: Caller) -> None:
        while not sending.done():
            (told,) = (await device.do("sync", {"cursors": {conversation: 0}}))["conversations"]
            view = told["conversation"]
            last = view["lastMessage"]["seq"] if view["lastMessage"] else 0
            assert (view["unread"], last) == (view["head"], view["head"])

    await asyncio.gather(sending, *(look(reading.device(trainer)) for _ in range(4)))
