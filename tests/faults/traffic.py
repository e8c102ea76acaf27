"""Two people who never stop talking, whatever is killed, and what has to be true afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count, pairwise

from tests.faults.phones import TIMEOUT_SECONDS, Phone, phone
from tests.harness.people import People

LANES = 3


class MessageTraffic:
    """Each phone has a few messages under way at any time."""

    def __init__(self, phones: tuple[Phone, Phone]) -> None:
        self.phones = phones
        self._stop = asyncio.Event()
        self._numbers = [count(1), count(1)]
        self._tasks = [asyncio.create_task(self._send(side)) for side in (0, 1) for _ in range(LANES)]

    async def _send(self, side: int) -> None:
        while not self._stop.is_set():
            await self.phones[side].send(next(self._numbers[side]))

    async def goes_on(self, more: int = 10) -> None:
        """Wait until each side had so many more messages acknowledged."""
        goals = [len(one.acknowledged) + more for one in self.phones]
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while any(len(one.acknowledged) < goal for one, goal in zip(self.phones, goals, strict=True)):
                for task in self._tasks:
                    if task.done():
                        task.result()
                await asyncio.sleep(0.01)

    async def ends(self) -> None:
        """Nothing new is said; what is under way is finished."""
        self._stop.set()
        async with asyncio.timeout(TIMEOUT_SECONDS):
            await asyncio.gather(*self._tasks)

    async def assert_whole(self) -> None:
        """Nothing acknowledged is missing or doubled, the order is dense, and both sides see the same."""
        one, other = self.phones
        entries, same = await asyncio.gather(one.sync(), other.sync())
        assert entries == same
        assert [entry["seq"] for entry in entries] == list(range(1, len(entries) + 1))
        stored = {entry["message"]["clientMessageId"]: entry["message"] for entry in entries}
        assert len(stored) == len(entries)
        acknowledged = {**one.acknowledged, **other.acknowledged}
        assert stored.keys() == acknowledged.keys()
        for key, message in acknowledged.items():
            assert {**stored[key], "seen": False} == {**message, "seen": False}
        for each in self.phones:
            await self._assert_resumes(each, entries)

    async def _assert_resumes(self, each: Phone, entries: list[dict[str, object]]) -> None:
        """What was received live came once and in order, and a cursor in the middle of it leads to the same end."""
        received = [data["seq"] for event, data in each.received if event == "message:new"]
        assert all(earlier < later for earlier, later in pairwise(received))
        middle = received[len(received) // 2]
        assert await each.sync(middle) == entries[middle:]


@asynccontextmanager
async def talk(url: str, people: People) -> AsyncIterator[MessageTraffic]:
    client, trainer, conversation = await people.pair()
    async with (
        phone(url, "c", client.token, conversation) as one,
        phone(url, "t", trainer.token, conversation) as other,
    ):
        made = MessageTraffic((one, other))
        yield made
        await made.ends()
