"""Turns are shared: network by network, and in each owner by owner."""

from __future__ import annotations

import asyncio
import random

import pytest

from store import fair_limiter, fair_queue
from store.fair_limiter import FairLimiter


class Refused(Exception):
    """No turn came in time."""


def limiter(of_one: int, of_all: int, of_network: int | None = None) -> FairLimiter:
    return FairLimiter(of_one, of_all, lambda seconds: Refused(), of_network)


def assert_nothing_is_left(turns: FairLimiter) -> None:
    queue = turns._queue
    assert queue._at_work == queue._present == 0
    assert not queue._owners
    assert not queue._networks
    assert not queue._sites
    assert not queue._ready


class Work:
    """What lasts until it is let go, one by one; ``begun`` in the order in which turns were given."""

    def __init__(self, turns: FairLimiter) -> None:
        self._turns = turns
        self.begun: list[str] = []
        self.at_work: list[tuple[str, asyncio.Event]] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def come(self, owner: str, network: str, count: int = 1) -> None:
        self._tasks += [asyncio.create_task(self._do(owner, network)) for _ in range(count)]
        await self._settled()

    async def _do(self, owner: str, network: str) -> None:
        async with self._turns.turn(owner, 60.0, network):
            mine = owner, asyncio.Event()
            self.begun.append(owner)
            self.at_work.append(mine)
            await mine[1].wait()
            self.at_work.remove(mine)

    async def end_oldest(self) -> None:
        self.at_work[0][1].set()
        await self._settled()

    async def end_all(self) -> None:
        while self.at_work:
            await self.end_oldest()
        await asyncio.gather(*self._tasks)

    async def _settled(self) -> None:
        for _ in range(10):
            await asyncio.sleep(0)


async def test_networks_take_turns_and_owners_in_each(monkeypatch: pytest.MonkeyPatch) -> None:
    # All take equally long.
    monkeypatch.setattr(fair_limiter, "monotonic", lambda: 0.0)
    work = Work(limiter(1, 1))
    for number in range(4):
        await work.come(f"greedy {number}", "there", 5)
    await work.come("quiet", "here", 2)
    await work.come("beside greedy", "there")
    await work.end_all()
    assert work.begun[:8] == [
        "greedy 0", "quiet", "greedy 1", "quiet", "greedy 2", "greedy 3", "beside greedy", "greedy 0",
    ]  # fmt: skip
    assert len(work.begun) == 23


async def test_a_quiet_network_finds_a_turn_at_once() -> None:
    work = Work(limiter(1, 3, of_network=2))
    for number in range(20):
        await work.come(f"greedy {number}", "there", 3)
    assert len(work.begun) == 2
    await work.come("quiet", "here")
    assert work.begun[-1] == "quiet"
    await work.end_all()


async def test_the_networks_of_a_site_are_one_to_the_others() -> None:
    """Whoever has a /48 has 65,536 networks."""
    turns = limiter(1, 3, of_network=2)
    work = Work(turns)
    for number in range(20):
        await work.come(f"greedy {number}", f"2001:db8:1:{number:x}::/64", 3)
    assert len(work.begun) == 2
    await work.come("quiet", "2001:db8:2:1::/64")
    await work.come("another", "192.0.2.1")
    assert work.begun[2:] == ["quiet"]
    await work.end_oldest()
    assert work.begun[3:] == ["another"]
    await work.end_all()
    assert_nothing_is_left(turns)


async def test_a_network_is_kept_out_by_none_of_its_site(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fair_limiter, "monotonic", lambda: 0.0)
    work = Work(limiter(1, 1))
    for number in range(4):
        await work.come(f"greedy {number}", "2001:db8:1:1::/64", 5)
    await work.come("beside", "2001:db8:1:2::/64")
    await work.end_all()
    assert work.begun.index("beside") <= 2


async def test_an_owner_has_no_more_from_many_networks() -> None:
    turns = limiter(2, 10)
    work = Work(turns)
    for number in range(5):
        await work.come("greedy", f"network {number}")
    assert len(work.begun) == 2
    await work.come("quiet", "network 0")
    assert work.begun[-1] == "quiet"
    await work.end_all()
    assert len(work.begun) == 6
    assert_nothing_is_left(turns)


async def test_who_has_had_more_time_waits_for_who_has_had_less() -> None:
    """By time, not by turns; and who left and came back is remembered."""
    turns, begun = limiter(1, 1), list[str]()

    async def do(owner: str, seconds: float) -> None:
        async with turns.turn(owner, 60.0):
            begun.append(owner)
            await asyncio.sleep(seconds)

    crowd = [asyncio.create_task(do(f"slow {number}", 0.05)) for number in range(5)]
    quick = asyncio.create_task(do("quick", 0.002))
    # All have had one turn when the last of the crowd is at work.
    while len(begun) < 6:  # noqa: ASYNC110
        await asyncio.sleep(0)
    crowd += [asyncio.create_task(do(f"slow {number}", 0.05)) for number in range(5)]
    await asyncio.sleep(0)
    await quick
    await do("quick", 0.002)
    assert begun.index("quick", begun.index("quick") + 1) <= 7
    await asyncio.gather(*crowd)
    assert_nothing_is_left(turns)


async def test_what_is_remembered_is_bounded() -> None:
    turns = limiter(1, 1)
    async with turns.turn("busy", 60.0):
        for number in range(5000):
            with pytest.raises(Refused):
                async with turns.turn(f"owner {number}", 0.0, f"network {number % 100}"):
                    pass
        # Its own entries of those who left are not kept until their turn would have come.
        assert len(turns._queue._ready._heap) <= 1001
    assert_nothing_is_left(turns)


async def test_who_is_remembered_is_bounded_when_it_never_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fair_queue, "_MOST_REMEMBERED", 50)
    turns, before = limiter(1, 1), asyncio.create_task(asyncio.sleep(0))
    most = 0
    for number in range(3000):
        task = asyncio.create_task(_one(turns, f"owner {number}"))
        await before
        before = task
        most = max(most, *(len(network.ready._ends) for network in turns._queue._networks.values()), 0)
    await before
    assert 900 <= most <= 1050
    assert_nothing_is_left(turns)


async def _one(turns: FairLimiter, owner: str) -> None:
    async with turns.turn(owner, 60.0):
        await asyncio.sleep(0)
        await asyncio.sleep(0)


async def test_who_waits_too_long_is_refused_and_leaves_nothing_behind() -> None:
    turns = limiter(1, 1)
    async with turns.turn("one", 1.0):
        for owner in ("one", "other"):
            with pytest.raises(Refused):
                async with turns.turn(owner, 0.01):
                    pass
    async with turns.turn("other", 0.01):
        pass
    assert_nothing_is_left(turns)


@pytest.mark.parametrize("seed", range(5))
async def test_whatever_comes_waits_and_leaves_no_turn_is_lost(seed: int) -> None:
    chance = random.Random(seed)
    turns, at_work, most = limiter(2, 4, of_network=3), 0, 0

    async def do(owner: str, network: str, timeout: float) -> None:
        nonlocal at_work, most
        async with turns.turn(owner, timeout, network):
            at_work += 1
            most = max(most, at_work)
            try:
                for _ in range(chance.randrange(4)):
                    await asyncio.sleep(0)
            finally:
                at_work -= 1

    tasks: list[asyncio.Task[None]] = []
    for _ in range(400):
        who = f"owner {chance.randrange(6)}", f"network {chance.randrange(3)}"
        tasks.append(asyncio.create_task(do(*who, chance.choice([0.0, 0.001, 60.0]))))
        if chance.random() < 0.3:
            chance.choice(tasks).cancel()
        if chance.random() < 0.5:
            await asyncio.sleep(0)
    await asyncio.gather(*tasks, return_exceptions=True)
    assert most == 4
    assert at_work == 0
    assert_nothing_is_left(turns)
