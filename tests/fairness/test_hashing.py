"""Sign-ins beside an address that asks for as many hashes as it can."""

from __future__ import annotations

import asyncio
import threading

import aiohttp
import pytest

from server.security.hash_queue import HashQueue, _Job
from server.security.passwords import STANDARD
from store.database import Database
from tests.fairness.flood import timed
from tests.harness.waiting import until
from tests.rest.surface import PASSWORD, Surface, serve

EMAIL = "owner@example.com"
GREEDY, ELSEWHERE = "198.51.100.66", "203.0.113.9"
MANY = 130


async def stranger(http: aiohttp.ClientSession, surface: Surface, number: int) -> int:
    body = {"email": f"unknown-{number}@example.com", "password": PASSWORD}
    headers = {"X-Forwarded-For": GREEDY}
    async with http.post(f"{surface.url}/v1/auth/login", json=body, headers=headers) as answer:
        return answer.status


async def owner(surface: Surface) -> int:
    body = {"email": EMAIL, "password": PASSWORD}
    return (await surface.post("/auth/login", body, address=ELSEWHERE)).status


class Observed(HashQueue):
    def __init__(self, threads: int, waiting: int) -> None:
        super().__init__(threads, waiting)
        self.begun: list[str] = []

    def _start(self, job: _Job) -> None:
        self.begun.append(job.network)
        super()._start(job)


async def test_an_owner_elsewhere_signs_in_next(
    surface: Surface, thread_gate: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One thread, held until all are there, so that only the order of the queue decides."""
    await surface.sign_up(EMAIL)
    queue = Observed(1, 64)
    # However slowly they come: none is refused as it would be too late, but for want of a place.
    queue._seconds = 0.001
    monkeypatch.setattr(surface.passwords, "_queue", queue)
    held = asyncio.create_task(queue.run(thread_gate.wait))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        strangers = [asyncio.create_task(stranger(http, surface, number)) for number in range(MANY)]
        # Those that find no place are refused while the others still wait.
        await until(lambda: sum(task.done() for task in strangers) == MANY - 64)
        mine = asyncio.create_task(timed(owner(surface)))
        await until(lambda: len(queue._waiting) == 2)
        thread_gate.set()
        assert await mine == 200
        # Besides what held the thread, one stranger at most was before them.
        assert ELSEWHERE in queue.begun[:3]
        statuses = await asyncio.gather(*strangers)
        await held
        queue.close()
    assert statuses.count(401) == 63
    assert {status for status in statuses if status != 401} <= {429, 503}


@pytest.mark.verify
async def test_an_owner_elsewhere_signs_in_in_time(database: Database) -> None:
    """With the hashes of production."""
    async with (
        serve(database, cost=STANDARD) as surface,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http,
    ):
        await surface.sign_up(EMAIL)
        strangers = [asyncio.create_task(stranger(http, surface, number)) for number in range(MANY)]
        await until(lambda: surface.passwords.uses >= MANY)
        assert await timed(owner(surface)) == 200
        statuses = await asyncio.gather(*strangers)
        assert set(statuses) <= {401, 429, 503}
