"""``kill -9`` of the server and of mongod, while two people talk: nothing acknowledged is missing or doubled."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.faults.embedded import kill, mongod_pid, residents
from tests.faults.served import Served
from tests.faults.traffic import MessageTraffic, talk

ROUNDS = 20


class KillableServers:
    """A server with its own MongoDB and Redis, either of which may be killed."""

    def __init__(self, served: Served) -> None:
        self.served = served

    async def kill_server(self) -> None:
        await self.served.kill()
        self.served = await self.served.again()

    async def kill_mongod(self) -> None:
        await kill(mongod_pid(self.served.data_dir))


@pytest.fixture
async def servers(tmp_path: Path) -> AsyncIterator[KillableServers]:
    made = KillableServers(await Served.start(tmp_path))
    yield made
    code, _ = await made.served.terminate()
    assert code == 0


async def test_one_kill_each(servers: KillableServers) -> None:
    async with residents(servers.served.data_dir) as people, talk(servers.served.url, people) as conversation:
        await conversation.goes_on()
        await servers.kill_server()
        await conversation.goes_on()
        await servers.kill_mongod()
        await conversation.goes_on()
        await conversation.ends()
        await conversation.assert_whole()
        for phone in conversation.phones:
            assert phone.connects == 2
    assert_clean(servers.served)


@pytest.mark.soak
async def test_many_kills_at_any_moment(servers: KillableServers) -> None:
    async with residents(servers.served.data_dir) as people, talk(servers.served.url, people) as conversation:
        for _ in range(ROUNDS):
            await one_round(servers, conversation)
        await conversation.ends()
        await conversation.assert_whole()


async def one_round(servers: KillableServers, conversation: MessageTraffic) -> None:
    """One of them, the other, or both at once, at a moment that nobody chose."""
    await asyncio.sleep(random.uniform(0.05, 1.5))
    victims = random.choice(([servers.kill_server], [servers.kill_mongod], [servers.kill_server, servers.kill_mongod]))
    await asyncio.gather(*(victim() for victim in victims))
    await conversation.goes_on(3)


def assert_clean(served: Served) -> None:
    """It was prepared for this: no error is unexpected."""
    assert "Traceback" not in served.logged
    assert "command failed" not in served.logged
    assert "unhandled" not in served.logged
