"""A booking on one process, received on another: how long after its acknowledgement, and what it costs.

    python -m bench.booking [--rounds 200]

Two real processes on one MongoDB and Redis. The trainer's phone and a watcher of the slots hang on the second; times
count from the acknowledgement at the first (negative: received before it).
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp

from bench.contestants import ROOT
from domain.credits import CreditEntry, grant
from domain.times import to_wire, whole_milliseconds
from domain.wire.events import BOOKINGS
from server import embedded
from server.app import utc_now
from server.security.tokens import AccessTokens
from store.database import Database
from store.store import Store
from tests.harness.devices import Device, device
from tests.harness.nodes import SECRET
from tests.harness.people import People, Person
from tests.together.processes import Served, served

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MINUTES = 15


async def profile_of(store: Store, person: Person) -> str:
    user = await store.users.by_id(person.id)
    assert user is not None
    return user.profile_id


async def offer(http: aiohttp.ClientSession, node: Served, trainer: Person) -> None:
    """Quarters of an hour, day and night."""
    days = [{"day": day, "startTime": "00:00", "endTime": "24:00"} for day in DAYS]
    body = {"timeZone": "UTC", "sessionDurationInMins": MINUTES, "breakBetweenSessionMins": 0, "days": days}
    headers = {"Authorization": f"Bearer {trainer.token}"}
    async with http.put(f"{node.url}/v1/me/availability", json=body, headers=headers) as answer:
        assert answer.status == 200, await answer.text()


class Receiver:
    """When a device first received each start."""

    def __init__(self, phone: Device, event: str) -> None:
        self.at: dict[str, float] = {}
        self._received = asyncio.Condition()
        self._event = event
        phone.io.on(event, self._receive, namespace=BOOKINGS)

    async def _receive(self, data: dict[str, object]) -> None:
        now = asyncio.get_running_loop().time()
        found = [data["booking"]] if "booking" in data else data["removed"]
        assert isinstance(found, list)
        for one in found:
            self.at.setdefault(one["startsAt"], now)
        async with self._received:
            self._received.notify_all()

    async def all(self, starts: list[str]) -> None:
        async with asyncio.timeout(10), self._received:
            await self._received.wait_for(lambda: self.at.keys() >= set(starts))


async def measure(rounds: int, data: Path) -> None:
    async with embedded.servers(data) as urls, aiohttp.ClientSession() as http:
        assert urls.mongo_url is not None
        assert urls.redis_url is not None
        database = Database(urls.mongo_url)
        store = Store(database)
        people = People(store, AccessTokens(SECRET), utc_now)
        async with (
            served(urls.mongo_url, urls.redis_url, data / "first") as first,
            served(urls.mongo_url, urls.redis_url, data / "second") as second,
        ):
            await booked(http, store, people, first, second, rounds)
        database.close()


async def booked(
    http: aiohttp.ClientSession, store: Store, people: People, first: Served, second: Served, rounds: int
) -> None:
    client, trainer, watcher = await people.make("client"), await people.make("trainer"), await people.make("client")
    await offer(http, first, trainer)
    trainer_id, client_id = await profile_of(store, trainer), await profile_of(store, client)
    now = whole_milliseconds(utc_now())
    entry = CreditEntry(
        client_id=client_id,
        trainer_id=trainer_id,
        effect=grant("bench"),
        kind="grant",
        amount=2 * rounds,
        created_at=now,
    )
    await store.credits.record(entry)
    midnight = datetime.combine(now.date(), datetime.min.time(), UTC) + timedelta(days=1)
    starts = [to_wire(midnight + number * timedelta(minutes=MINUTES)) for number in range(2 * rounds)]
    span = {"trainerId": trainer_id, "from": starts[0][:10], "to": starts[-1][:10]}
    async with (
        device(first.url, client, (BOOKINGS,)) as his,
        device(second.url, trainer, (BOOKINGS,)) as hers,
        device(second.url, watcher, (BOOKINGS,)) as screen,
    ):
        receivers = Receiver(hers, "booking:created"), Receiver(screen, "slots:changed")
        unwatched, watched = starts[:rounds], starts[rounds:]
        alone = await book(first, his, trainer_id, unwatched)
        await screen.do("slots:watch", span, BOOKINGS)
        seen = await book(first, his, trainer_id, watched)
        await receivers[0].all(starts)
        await receivers[1].all(watched)
    print(f"{'milliseconds':<44}{'median':>9}{'p99':>9}{'most':>9}")
    report("a booking, from command to acknowledgement", alone.took)
    report("the same while somebody watches", seen.took)
    report("received by the trainer after it", [receivers[0].at[s] - seen.acknowledged[s] for s in watched])
    report("seen by the watcher after it", [receivers[1].at[s] - seen.acknowledged[s] for s in watched])
    print(f"CPU of the process that books: {alone.cpu:.2f} ms a booking, {seen.cpu:.2f} while somebody watches")


@dataclass
class Booked:
    """``acknowledged``: when (the loop's time), by start; ``took`` in seconds, ``cpu`` in milliseconds a booking."""

    acknowledged: dict[str, float] = field(default_factory=dict)
    took: list[float] = field(default_factory=list)
    cpu: float = 0.0


async def book(node: Served, phone: Device, trainer_id: str, starts: list[str]) -> Booked:
    made = Booked()
    loop, before = asyncio.get_running_loop(), node.cpu_seconds()
    for start in starts:
        began = loop.time()
        command = {"trainerId": trainer_id, "startsAt": start, "payWith": "credit", "idempotencyKey": start}
        await phone.do("booking:create", command, BOOKINGS)
        made.acknowledged[start] = loop.time()
        made.took.append(loop.time() - began)
    made.cpu = (node.cpu_seconds() - before) / len(starts) * 1000
    return made


def report(name: str, times: list[float]) -> None:
    times = sorted(times)
    figures = (statistics.median(times), times[int(len(times) * 0.99)], times[-1])
    print(f"{name:<44}" + "".join(f"{seconds * 1000:>9.1f}" for seconds in figures), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.booking", description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=ROOT, prefix=".bench-") as data:
        asyncio.run(measure(chosen.rounds, Path(data)))


if __name__ == "__main__":
    main()
