"""Several nodes of one service in the test's process, and what their people are told of each other."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from domain.wire.events import PRESENCE
from server.app import utc_now
from tests.harness.devices import TIMEOUT_SECONDS, Data, Device, device
from tests.harness.nodes import RunningNode, running_node
from tests.harness.people import People, Person

CHANGED = "presence:changed"


@dataclass(frozen=True)
class Fleet:
    nodes: Sequence[RunningNode]
    people: People

    @property
    def urls(self) -> list[str]:
        return [running.url for running in self.nodes]


@asynccontextmanager
async def fleet(mongo_url: str, redis_url: str, data_dir: Path, nodes: int = 2) -> AsyncIterator[Fleet]:
    async with AsyncExitStack() as stack:
        running = [
            await stack.enter_async_context(running_node(mongo_url, redis_url, data_dir / str(number)))
            for number in range(nodes)
        ]
        first = running[0].node
        yield Fleet(running, People(first.store, first.tokens, utc_now))


@asynccontextmanager
async def watcher(url: str, person: Person, *watched: Person) -> AsyncIterator[Device]:
    """A device that watches people from the start."""
    async with device(url, person, (PRESENCE,)) as phone:
        if watched:
            await watch(phone, *watched)
        yield phone


async def watch(phone: Device, *people: Person) -> dict[str, Data]:
    answer = await phone.do("presence:watch", {"userIds": [person.id for person in people]}, PRESENCE)
    return {presence["userId"]: presence for presence in answer["presences"]}


async def say(phone: Device, status: str) -> None:
    await phone.do("presence:set", {"status": status}, PRESENCE)


def changes(phone: Device, person: Person) -> list[str]:
    """The statuses that were told of a person, in order."""
    return [data["status"] for data in phone.events(CHANGED) if data["userId"] == person.id]


async def sees(phone: Device, person: Person, *statuses: str, within: float = TIMEOUT_SECONDS) -> None:
    """Wait until exactly these were told, in order."""
    await phone.until(lambda device: len(changes(device, person)) >= len(statuses), within)
    assert changes(phone, person) == list(statuses), "told of the person"
