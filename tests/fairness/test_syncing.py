"""A device's sync beside an account that reads all of its history without end."""

from __future__ import annotations

import asyncio

import aiohttp

from tests.fairness.flood import flood, timed
from tests.harness.devices import device
from tests.harness.nodes import RunningNode
from tests.harness.people import People
from tests.store.writing import a_message, send

CONVERSATIONS, MESSAGES = 4, 40
AT_ONCE = 32


async def test_a_quiet_device_is_answered_beside_one_that_reads_everything(
    running: RunningNode, people: People
) -> None:
    log = running.node.store.log
    greedy, _, room = await people.pair()
    rooms = [room]
    for _ in range(CONVERSATIONS - 1):
        other = await people.make("trainer")
        record = await running.node.store.conversations.open(greedy.id, other.id, running.node.context.now())
        rooms.append(record.membership.conversation_id)
    long = "all work and no play " * 190
    for room in rooms:
        await asyncio.gather(*(send(log, a_message(room, greedy.id, str(n), long)) for n in range(MESSAGES)))
    quiet, _, quiet_room = await people.pair()
    await send(log, a_message(quiet_room, quiet.id, "1"))
    body = {"cursors": dict.fromkeys(rooms, 0), "limit": 500}

    async def everything(http: aiohttp.ClientSession, number: int) -> int:
        headers = {"Authorization": f"Bearer {greedy.token}"}
        async with http.post(f"{running.url}/v1/sync", json=body, headers=headers) as answer:
            await answer.read()
            return answer.status

    async with device(running.url, quiet) as phone, flood(everything, AT_ONCE, answered=8) as made:
        for _ in range(3):
            found = await timed(phone.do("sync", {"cursors": {}}))
            assert [one["cursor"] for one in found["conversations"]] == [1]
    assert made.answers[200] >= 8
    assert set(made.answers) <= {200, 503}
