"""Entries are read as far as their texts fit, however many were asked for."""

from __future__ import annotations

import asyncio

from store.log.log import Log
from tests.store.writing import a_message, new_id, send

TEXT = "😀" * 4000
ROOM = 10 * len(TEXT.encode())


async def test_no_more_is_read_than_fits(log: Log) -> None:
    first, second, sender = new_id(), new_id(), new_id()
    for conversation in (first, second):
        await asyncio.gather(*(send(log, a_message(conversation, sender, f"{n}", TEXT)) for n in range(30)))
    spans = {first: (0, 30), second: (0, 30)}
    some = await log.read.between(spans, 500, ROOM)
    assert [(entry.conversation_id, entry.seq) for entry in some] == [(first, seq) for seq in range(1, 11)]
    # What is left of the room is the next conversation's, and one entry passes however small it is.
    some = await log.read.between({first: (25, 30), second: (0, 30)}, 500, ROOM)
    assert [entry.conversation_id for entry in some] == [first] * 5 + [second] * 5
    assert [entry.seq for entry in await log.read.between(spans, 500, 1)] == [1]
    assert len(await log.read.between(spans, 40)) == 40
