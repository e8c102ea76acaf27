"""Moving windows."""

from __future__ import annotations

import asyncio
import time

import pytest

from server.rates import MovingWindowLimiter, MovingWindowMemory


async def test_a_window_has_so_many_places_and_says_when_one_is_free() -> None:
    now = 0.0
    limiter = MovingWindowLimiter(clock=lambda: now)
    assert await limiter.wait_for("login", "ann", 2, 60) == 0
    now = 10.0
    assert await limiter.wait_for("login", "ann", 2, 60) == 0
    now = 15.0
    assert await limiter.wait_for("login", "ann", 2, 60) == pytest.approx(45)
    assert await limiter.wait_for("login", "bob", 2, 60) == 0
    assert await limiter.wait_for("other", "ann", 2, 60) == 0
    now = 60.0
    assert await limiter.wait_for("login", "ann", 2, 60) == 0
    assert await limiter.wait_for("login", "ann", 2, 60) == pytest.approx(10)


async def test_a_scale_multiplies() -> None:
    limiter = MovingWindowLimiter(scale=2.5)
    waits = await asyncio.gather(*(limiter.wait_for("login", "ann", 2, 60) for _ in range(6)))
    assert [wait == 0 for wait in waits] == [True] * 5 + [False]


async def test_windows_that_ran_empty_are_forgotten() -> None:
    now = 0.0
    memory = MovingWindowMemory(lambda: now)
    for n in range(100):
        await memory.acquire_entry(f"user {n}", 5, 60)
    now = 200.0
    await memory.acquire_entry("another", 5, 60)
    assert await memory.reset() == 1


async def test_a_wall_clock_that_steps_back_keeps_nobody_out(monkeypatch: pytest.MonkeyPatch) -> None:
    limiter, real = MovingWindowLimiter(), time.time
    assert await limiter.wait_for("login", "ann", 1, 60) == 0
    monkeypatch.setattr(time, "time", lambda: real() - 3600)
    assert 0 < await limiter.wait_for("login", "ann", 1, 60) <= 60


async def test_looking_takes_no_place() -> None:
    limiter = MovingWindowLimiter(clock=lambda: 0.0)
    for _ in range(3):
        assert await limiter.look("login", "ann", 1, 60) == 0
    assert await limiter.wait_for("login", "ann", 1, 60) == 0
    assert await limiter.look("login", "ann", 1, 60) == pytest.approx(60)
