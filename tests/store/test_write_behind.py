"""Write-behind: what is noted is written, in batches, however often a write fails."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from store.concurrency import WriteBehind

_RETRY_SECONDS = 0.005


class Sink:
    """Keeps what was written last under each key; ``failing`` writes fail first."""

    def __init__(self, failing: int = 0) -> None:
        self.failing = failing
        self.batches: list[dict[str, int]] = []
        self.kept: dict[str, int] = {}
        self.go = asyncio.Event()
        self.go.set()

    async def write(self, batch: Mapping[str, int]) -> None:
        await self.go.wait()
        if self.failing:
            self.failing -= 1
            raise ArithmeticError
        self.batches.append(dict(batch))
        for key, value in batch.items():
            assert value > self.kept.get(key, 0)
            self.kept[key] = value


async def test_what_is_noted_during_a_write_goes_with_the_next() -> None:
    sink = Sink()
    sink.go.clear()
    behind: WriteBehind[str, int] = WriteBehind(sink.write, max)
    behind.note("a", 1)
    await asyncio.sleep(0)
    for value in (2, 5, 3):
        behind.note("a", value)
    behind.note("b", 1)
    assert behind.waiting("a") == 5
    sink.go.set()
    await behind.flush()
    assert sink.batches == [{"a": 1}, {"a": 5, "b": 1}]


@given(notes=st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 99))), failing=st.integers(0, 3))
async def test_nothing_is_lost(notes: list[tuple[str, int]], failing: int) -> None:
    errors: list[Exception] = []
    sink = Sink(failing if notes else 0)
    behind: WriteBehind[str, int] = WriteBehind(
        sink.write, max, max_batch=2, retry_seconds=0.0, failed=errors.append
    )
    highest: dict[str, int] = {}
    for key, value in notes:
        if value > highest.get(key, 0):
            behind.note(key, value)
        highest[key] = max(value, highest.get(key, 0))
        if value % 3 == 0:
            await asyncio.sleep(0)
    await behind.flush()
    assert sink.kept == highest
    assert len(errors) == (failing if notes else 0)
    assert all(len(batch) <= 2 for batch in sink.batches)


async def test_a_stopped_one_writes_no_more() -> None:
    sink, failed = Sink(failing=1), asyncio.Event()
    behind: WriteBehind[str, int] = WriteBehind(
        sink.write, max, retry_seconds=_RETRY_SECONDS, failed=lambda error: failed.set()
    )
    behind.note("a", 1)
    await failed.wait()
    await behind.stop()
    await asyncio.sleep(3 * _RETRY_SECONDS)
    assert sink.batches == []
