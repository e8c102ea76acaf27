"""What was frozen and thawed leaves a node as it was: no task, subscription or descriptor more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from domain.wire.events import CONVERSATIONS, PRESENCE
from server.app import utc_now
from server.security.tokens import AccessTokens
from tests.faults.conftest import OwnServers
from tests.harness.devices import Device, device
from tests.harness.freezing import frozen
from tests.harness.nodes import SECRET, RunningNode, running_node
from tests.harness.people import People

# Longer than the canary, the poll of revocations and the lease take to notice.
SHORT_SECONDS = 9.0
FULL_SECONDS = 30.0
SETTLED_WITHIN_SECONDS = 60.0


@dataclass(frozen=True)
class ConnectedPair:
    running: RunningNode
    servers: OwnServers
    phones: tuple[Device, Device]
    conversation: str

    def held(self) -> tuple[int, int, int]:
        """Tasks, channels and rooms."""
        node = self.running.node
        return len(asyncio.all_tasks()), node.bus.channels, node.room_subscriptions.count

    async def works(self, mark: str) -> None:
        """Both receive what one sends."""
        sender, other = self.phones
        async with asyncio.timeout(SETTLED_WITHIN_SECONDS):
            while not (await sender.ask("message:send", self._message(mark)))["ok"]:  # noqa: ASYNC110 - as clients do
                await asyncio.sleep(0.1)
        await other.until(lambda phone: mark in _texts(phone) or bool(phone.events("sync:required")))

    def _message(self, mark: str) -> dict[str, str]:
        return {"conversationId": self.conversation, "clientMessageId": mark, "text": mark}


def _texts(phone: Device) -> set[str]:
    return {event["message"]["text"] for event in phone.events("message:new")}


@pytest.fixture
async def talking(own_servers: OwnServers, tmp_path: Path) -> AsyncIterator[ConnectedPair]:
    url = f"{own_servers.mongo_url}"
    async with running_node(url, own_servers.redis_url, tmp_path / "node") as running:
        people = People(running.node.store, AccessTokens(SECRET), utc_now)
        client, trainer, conversation = await people.pair()
        async with (
            device(running.url, client, (CONVERSATIONS, PRESENCE)) as one,
            device(running.url, trainer, (CONVERSATIONS, PRESENCE)) as other,
        ):
            talking = ConnectedPair(running, own_servers, (one, other), conversation)
            await talking.works("before")
            yield talking


async def settled(look: Callable[[], tuple[int, ...]], expected: tuple[int, ...]) -> None:
    """Exactly as much as before; what is busy for a moment may be more."""
    found: tuple[int, ...] = ()
    try:
        async with asyncio.timeout(SETTLED_WITHIN_SECONDS):
            while (found := look()) != expected:  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"{found} are held, {expected} were") from None


async def quiet(talking: ConnectedPair) -> tuple[int, int, int]:
    """What is held when nothing is being done: the least of a while."""
    seen = []
    for _ in range(100):
        seen.append(talking.held())
        await asyncio.sleep(0.02)
    return min(seen)


Freeze = Callable[[ConnectedPair], Awaitable[None]]


async def _frozen(talking: ConnectedPair, pid: int, seconds: float) -> None:
    before = await quiet(talking)
    with frozen(pid):
        await asyncio.sleep(seconds)
    await talking.works("after")
    await settled(talking.held, before)


async def test_redis(talking: ConnectedPair) -> None:
    await _frozen(talking, talking.servers.redis, SHORT_SECONDS)


async def test_mongodb(talking: ConnectedPair) -> None:
    await _frozen(talking, talking.servers.mongod, SHORT_SECONDS)


@pytest.mark.soak
@pytest.mark.parametrize("what", ["redis", "mongod"])
async def test_for_long_and_again(talking: ConnectedPair, what: str) -> None:
    for _ in range(3):
        await _frozen(talking, getattr(talking.servers, what), FULL_SECONDS)
