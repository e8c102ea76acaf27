"""A worker of several stands still while connections are handed to it: the other serves, and nothing is left over."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest
from redis.asyncio import Redis
from socketio.exceptions import ConnectionError as NotConnected

from tests.harness.devices import Device
from tests.harness.freezing import frozen
from tests.harness.people import Person
from tests.harness.waiting import eventually
from tests.server.pubsub.redis_servers import RedisServer, redis_server
from tests.together.workers_program import Program, hopping_device, program, worker_of
from tests.together.workers_service import WorkersProgram, workers_program

FROZEN, SERVING = 0, 1
AT_ONCE = 8
# Whoever has no answer by then tries again, as another connection.
GIVES_UP_AFTER_SECONDS = 0.5
# So many connections are handed to a worker that does not read.
ABANDONED = 12
SETTLED_WITHIN_SECONDS = 60.0


@dataclass(frozen=True)
class Workers:
    """Two, with a Redis that only they use."""

    program: Program
    made: WorkersProgram
    redis: RedisServer

    def held(self) -> tuple[int, ...]:
        """Open files of each worker but for its connections to MongoDB and Redis, which come and go."""
        port = int(self.program.url.rpartition(":")[2])
        return tuple(_files(pid, port) for _, pid in sorted(self.program.workers().items()))

    async def subscriptions(self) -> dict[str, int]:
        async with self.redis.client() as redis:
            return await _subscriptions(redis)


def _files(pid: int, port: int) -> int:
    elsewhere = set(_inodes_of_other_ports(pid, port))
    found = 0
    for file in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):  # closed meanwhile
            found += str(file.readlink()) not in elsewhere
    return found


def _inodes_of_other_ports(pid: int, port: int) -> Iterator[str]:
    for name in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{name}").read_text().splitlines()[1:]:
            words = line.split()
            if int(words[1].rpartition(":")[2], 16) != port:
                yield f"socket:[{words[9]}]"


async def _subscriptions(redis: Redis) -> dict[str, int]:
    found = await redis.pubsub_numsub(*await redis.pubsub_channels())
    return {str(channel): count for channel, count in found}


@pytest.fixture
async def workers(mongo_url: str, tmp_path: Path) -> AsyncIterator[Workers]:
    async with (
        redis_server(tmp_path / "redis") as redis,
        workers_program(mongo_url, redis.url) as made,
        program(tmp_path, 2, **made.environ) as running,
    ):
        yield Workers(running, made, redis)


@dataclass
class Handshakes:
    """Requests for sessions of both workers without end, each a connection that either may accept."""

    url: str
    answers: Counter[tuple[int, int | None]] = field(default_factory=Counter)
    stopped: bool = False

    async def _knock(self, http: aiohttp.ClientSession, owner: int) -> None:
        # A session that its owner has never had: it says so, and asks nobody.
        url = f"{self.url}/socket.io/?EIO=4&transport=polling&sid=nobody.{owner}"
        try:
            async with http.get(url) as response:
                self.answers[owner, response.status] += 1
        except (TimeoutError, aiohttp.ClientError):
            self.answers[owner, None] += 1

    async def run(self, owner: int) -> None:
        connector = aiohttp.TCPConnector(force_close=True)
        timeout = aiohttp.ClientTimeout(total=GIVES_UP_AFTER_SECONDS)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as http:
            while not self.stopped:
                await self._knock(http, owner)
                await asyncio.sleep(0.01)

    async def grows(self, owner: int, status: int | None, by: int) -> None:
        goal = self.answers[owner, status] + by

        async def reached() -> bool:
            return self.answers[owner, status] >= goal

        await eventually(reached, SETTLED_WITHIN_SECONDS)


@asynccontextmanager
async def knocking(url: str) -> AsyncIterator[Handshakes]:
    made = Handshakes(url)
    tasks = [asyncio.create_task(made.run(number % 2)) for number in range(AT_ONCE)]
    try:
        yield made
    finally:
        made.stopped = True
        await asyncio.gather(*tasks)


async def hopping(stack: AsyncExitStack, url: str, person: Person, worker: int) -> Device:
    """A device whose session is that worker's."""
    while True:
        async with AsyncExitStack() as attempt:
            phone = await attempt.enter_async_context(hopping_device(url, person, "websocket"))
            if worker_of(phone) == worker:
                # Half of those who reconnect meet the frozen one, so that a freeze may be long: this device waits.
                phone.io.eio.ping_timeout = SETTLED_WITHIN_SECONDS
                await stack.enter_async_context(attempt.pop_all())
                return phone


async def reconnected(stack: AsyncExitStack, url: str, person: Person) -> Device:
    """As clients do it: whoever gets no answer tries again."""
    async with asyncio.timeout(SETTLED_WITHIN_SECONDS):
        while True:
            phone = Device()
            try:
                async with asyncio.timeout(3 * GIVES_UP_AFTER_SECONDS):
                    await phone.io.connect(
                        url, auth={"token": person.token}, namespaces=["/conversations"], transports=["websocket"]
                    )
            except (TimeoutError, NotConnected):
                await phone.io.shutdown()
                continue
            stack.push_async_callback(phone.io.disconnect)
            return phone


async def test_it_thaws_as_it_was_and_the_other_serves_meanwhile(workers: Workers) -> None:
    url, people = workers.program.url, workers.made.people
    client, trainer, conversation = await people.pair()
    pid = workers.program.workers()[FROZEN]
    async with AsyncExitStack() as stack:
        standing = await hopping(stack, url, client, FROZEN)
        serving = await hopping(stack, url, trainer, SERVING)
        for phone, mark in ((standing, "a"), (serving, "b")):
            await phone.send(conversation, mark)
        for phone in (standing, serving):
            await phone.receive("message:new", 2)
        async with knocking(url) as before:
            await before.grows(FROZEN, 400, ABANDONED)
            await before.grows(SERVING, 400, ABANDONED)
        held, subscriptions = await at_rest(workers)

        async with knocking(url) as requests:
            await requests.grows(FROZEN, 400, AT_ONCE)
            with frozen(pid):
                # Handed to it or not: nobody answers for its sessions, and the other goes on with its own.
                await requests.grows(FROZEN, None, ABANDONED)
                await requests.grows(SERVING, 400, AT_ONCE)
                async with AsyncExitStack() as meanwhile:
                    again = await reconnected(meanwhile, url, await people.another_device(trainer))
                    assert worker_of(again) == SERVING
                    assert (await again.send(conversation, "c"))["seq"] == 3
                    assert (await serving.send(conversation, "d"))["seq"] == 4
                    for phone in (again, serving):
                        await phone.until(lambda phone: {3, 4} <= {one["seq"] for one in phone.events("message:new")})
            await requests.grows(FROZEN, 400, ABANDONED)
        # Its devices never noticed, or are told to ask for what was kept from them.
        await standing.until(
            lambda phone: phone.events("message:new")[-1]["seq"] == 4 or bool(phone.events("sync:required"))
        )
        assert not standing.disconnected.is_set()
        synced = await standing.do("sync", {"cursors": {conversation: 0}})
        assert [entry["seq"] for entry in synced["conversations"][0]["entries"]] == [1, 2, 3, 4]
        assert (await standing.send(conversation, "e"))["seq"] == 5
        await serving.until(lambda phone: [one["seq"] for one in phone.events("message:new")] == [1, 2, 3, 4, 5])

        async def settled() -> bool:
            return workers.held() == held and await workers.subscriptions() == subscriptions

        try:
            await eventually(settled, SETTLED_WITHIN_SECONDS)
        except TimeoutError:
            raise AssertionError((held, workers.held(), subscriptions, await workers.subscriptions())) from None
    assert pid == workers.program.workers()[FROZEN]


async def at_rest(workers: Workers) -> tuple[tuple[int, ...], dict[str, int]]:
    """What is held when nothing is being done: the same, for a while."""
    found: list[tuple[tuple[int, ...], dict[str, int]]] = []

    async def unchanged() -> bool:
        subscriptions = await workers.subscriptions()
        found.append((workers.held(), subscriptions))
        # Each person has one device: those that went to the wrong worker first linger in their rooms for a while.
        if any(count > 1 for name, count in subscriptions.items() if "{user:" in name):
            return False
        return len(found) >= 50 and all(one == found[-1] for one in found[-50:])

    await eventually(unchanged, SETTLED_WITHIN_SECONDS)
    return found[-1]
