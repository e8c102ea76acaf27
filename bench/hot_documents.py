"""Reviews of a trainer who changes the profile all the time: ``python -m bench.hot_documents``.

One real process on MongoDB and Redis. The trainer PATCHes at a fixed pace, whatever the answers take; beside it clients
review sessions, a few at a time. Run first without the PATCHes, then with them.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from pathlib import Path

import aiohttp

from bench.contestants import ROOT
from domain.bookings import Booking
from domain.times import whole_milliseconds
from server import embedded
from server.app import utc_now
from server.security.tokens import AccessTokens
from store.database import ClientSession, Database
from store.store import Store
from tests.harness.nodes import SECRET
from tests.harness.people import People, Person
from tests.together.processes import served

REVIEWS_AT_ONCE = 4
BAR_MS = 300.0


class Marketplace:
    """``urls``: of the processes, which take turns."""

    def __init__(self, store: Store, people: People, http: aiohttp.ClientSession, urls: Sequence[str]) -> None:
        self.store, self.people, self._http, self._urls = store, people, http, urls
        self._calls = self._sessions = 0

    async def ask(self, method: str, path: str, person: Person, body: dict[str, object]) -> tuple[int, float]:
        """The status, and how many milliseconds the answer took."""
        self._calls += 1
        url = self._urls[self._calls % len(self._urls)]
        began = asyncio.get_running_loop().time()
        headers = {"Authorization": f"Bearer {person.token}"}
        async with self._http.request(method, f"{url}/v1{path}", json=body, headers=headers) as answer:
            await answer.read()
        return answer.status, (asyncio.get_running_loop().time() - began) * 1000

    async def profile_of(self, person: Person) -> str:
        user = await self.store.users.by_id(person.id)
        assert user is not None
        return user.profile_id

    async def sessions(self, trainer: Person, client: Person, count: int) -> list[str]:
        """The ids of so many completed ones."""
        trainer_id, client_id = await self.profile_of(trainer), await self.profile_of(client)
        now = whole_milliseconds(utc_now())
        made: list[Booking] = []
        for _ in range(count):
            # No two at the same time.
            self._sessions += 1
            start = now - timedelta(hours=2 * self._sessions)
            made.append(self._over(trainer, trainer_id, client, client_id, start))
        for booking in made:

            async def insert(session: ClientSession, booking: Booking = booking) -> None:
                await self.store.bookings.insert(booking, now, session=session)

            await self.store.database.transaction(insert)
        return [booking.id for booking in made]

    def _over(self, trainer: Person, trainer_id: str, client: Person, client_id: str, start: datetime) -> Booking:
        return Booking(
            id=self.store.bookings.new_id(), trainer_id=trainer_id, client_id=client_id, trainer_user_id=trainer.id,
            client_user_id=client.id, conversation_id=self.store.bookings.new_id(), starts_at=start,
            ends_at=start + timedelta(hours=1), time_zone="UTC", break_mins=0, cancellation_policy="ALWAYS_FREE",
            status="completed", paid_with="credit", arranged_at=start, created_at=start, updated_at=start,
        )  # fmt: skip


async def changing(market: Marketplace, trainer: Person, pace: int, statuses: Counter[int]) -> None:
    """So many a second, until cancelled."""
    loop = asyncio.get_running_loop()
    began, number, asked = loop.time(), 0, set[asyncio.Task[None]]()

    async def change(number: int) -> None:
        status, _ = await market.ask("PATCH", "/me/profile", trainer, {"city": f"City {number}"})
        statuses[status] += 1

    try:
        while True:
            number += 1
            task = asyncio.create_task(change(number))
            asked.add(task)
            task.add_done_callback(asked.discard)
            await asyncio.sleep(max(0.0, began + number / pace - loop.time()))
    finally:
        await asyncio.gather(*asked, return_exceptions=True)


async def reviewing(market: Marketplace, trainer: Person, count: int) -> tuple[list[float], Counter[int]]:
    times, statuses = list[float](), Counter[int]()

    async def review(sessions: Sequence[str], client: Person) -> None:
        for number, session in enumerate(sessions):
            status, took = await market.ask("POST", f"/bookings/{session}/review", client, {"rating": 1 + number % 5})
            times.append(took)
            statuses[status] += 1

    clients = [await market.people.make("client") for _ in range(REVIEWS_AT_ONCE)]
    of_each = [await market.sessions(trainer, client, count // REVIEWS_AT_ONCE) for client in clients]
    await asyncio.gather(*(review(sessions, client) for sessions, client in zip(of_each, clients, strict=True)))
    return times, statuses


async def measure(folder: Path, reviews: int, pace: int, processes: int) -> None:
    async with AsyncExitStack() as stack:
        urls = await stack.enter_async_context(embedded.servers(folder / "servers"))
        assert urls.mongo_url is not None
        assert urls.redis_url is not None
        nodes = [
            await stack.enter_async_context(served(urls.mongo_url, urls.redis_url, folder / str(number)))
            for number in range(processes)
        ]
        database = Database(urls.mongo_url)
        stack.callback(database.close)
        store, http = Store(database), await stack.enter_async_context(aiohttp.ClientSession())
        market = Marketplace(store, People(store, AccessTokens(SECRET), utc_now), http, [node.url for node in nodes])
        for patches in (0, pace):
            trainer, answered = await market.people.make("trainer"), Counter[int]()
            patching = asyncio.create_task(changing(market, trainer, patches, answered)) if patches else None
            times, statuses = await reviewing(market, trainer, reviews)
            if patching is not None:
                patching.cancel()
                await asyncio.gather(patching, return_exceptions=True)
            p99 = statistics.quantiles(times, n=100)[98]
            print(
                f"{len(times)} reviews {dict(statuses)} beside {patches} PATCHes a second {dict(answered)}: "
                f"median {statistics.median(times):.1f} ms, p99 {p99:.1f} ms, slowest {max(times):.1f} ms "
                f"(bar: p99 {BAR_MS:.0f} ms)",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.hot_documents", description=__doc__)
    parser.add_argument("--reviews", type=int, default=400)
    parser.add_argument("--pace", type=int, default=60, help="PATCHes a second")
    parser.add_argument("--processes", type=int, default=1)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=ROOT, prefix=".bench-") as data:
        asyncio.run(measure(Path(data), chosen.reviews, chosen.pace, chosen.processes))


if __name__ == "__main__":
    main()
