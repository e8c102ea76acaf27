"""Turns of uploads: a few at a time, and one user's crowd in nobody's way."""

from __future__ import annotations

import asyncio
import math

import pytest

from domain.errors import Code, DomainError
from rest.uploads import UploadLimiter


class PendingUploads:
    """Uploads that last until they are let go."""

    def __init__(self, turns: UploadLimiter) -> None:
        self._turns = turns
        self.at_work: list[str] = []
        self.go = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def come(self, user_id: str, count: int) -> None:
        self._tasks += [asyncio.create_task(self._upload(user_id)) for _ in range(count)]
        # Each gets as far as it can.
        for _ in range(10):
            await asyncio.sleep(0)

    async def _upload(self, user_id: str) -> None:
        async with self._turns.turn(user_id):
            self.at_work.append(user_id)
            await self.go.wait()
            self.at_work.remove(user_id)

    async def leave(self) -> None:
        self.go.set()
        await asyncio.gather(*self._tasks)


async def test_one_user_s_uploads_do_not_stand_in_others_way() -> None:
    callers = PendingUploads(UploadLimiter(of_one_user=2, of_all=4))
    await callers.come("greedy", 50)
    await callers.come("other", 1)
    assert sorted(callers.at_work) == ["greedy", "greedy", "other"]
    await callers.come("third", 5)
    assert len(callers.at_work) == 4
    await callers.leave()
    assert callers.at_work == []


async def test_who_waits_too_long_is_refused_and_leaves_no_turn_behind() -> None:
    turns = UploadLimiter(of_one_user=1, of_all=1, timeout=0.05)
    callers = PendingUploads(turns)
    await callers.come("one", 1)
    for user_id in ("one", "other"):
        with pytest.raises(DomainError) as refused:
            async with turns.turn(user_id):
                pass
        assert refused.value.code is Code.RATE_LIMITED
    await callers.leave()
    for user_id in ("one", "other"):
        async with turns.turn(user_id):
            pass


async def test_who_waits_while_mongodb_does_not_answer_is_refused_in_time() -> None:
    """And not for what it waited before, or for an outage that ended before it came."""
    loop = asyncio.get_running_loop()
    last_answer = loop.time() - 3600
    turns = UploadLimiter(of_one_user=1, of_all=1, unanswered_seconds=lambda: loop.time() - last_answer)
    callers = PendingUploads(turns)
    await callers.come("one", 1)
    began = loop.time()
    with pytest.raises(DomainError) as refused:
        async with turns.turn("one", left=2.5):
            pass
    assert refused.value.code is Code.UNAVAILABLE
    assert loop.time() - began >= 2.5
    # It answers again: who waits now has its time from then on.
    last_answer = math.inf
    waiting = asyncio.create_task(callers._upload("one"))
    done, _ = await asyncio.wait([waiting], timeout=3.0)
    assert not done
    await callers.leave()
    await waiting
    async with turns.turn("one", left=9.0) as place:
        assert place.left == 9.0


async def test_who_gives_up_waiting_leaves_no_turn_behind() -> None:
    turns = UploadLimiter(of_one_user=1, of_all=1)
    callers = PendingUploads(turns)
    await callers.come("one", 1)
    waiting = [asyncio.create_task(callers._upload(user_id)) for user_id in ("one", "other")]
    await asyncio.sleep(0)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    await callers.leave()
    async with turns.turn("other"):
        pass
