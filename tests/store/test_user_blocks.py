"""Blocks as several nodes know them: what one answers, the others keep to, and asking costs next to nothing."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from time import monotonic

import pytest
from bson import ObjectId

from store import user_blocks
from store.database import Database, prepare
from store.user_blocks import TRUSTED_SECONDS, UserBlocks

NOW = datetime(2026, 5, 4, tzinfo=UTC)


@pytest.fixture
async def nodes(database: Database) -> tuple[UserBlocks, UserBlocks]:
    await prepare(database, user_blocks.SCHEMAS)
    here, there = UserBlocks(database), UserBlocks(database)
    await asyncio.gather(here.prepare(), there.prepare())
    return here, there


def people(count: int) -> list[str]:
    return [str(ObjectId()) for _ in range(count)]


async def test_nothing_passes_on_another_node_once_a_block_is_answered(nodes: tuple[UserBlocks, UserBlocks]) -> None:
    """Each pair is asked for all the while; ``passed`` has when it was last let through."""
    here, there = nodes
    pairs = list(zip(people(20), people(20), strict=True))
    passed: dict[int, float] = {}
    answered: dict[int, float] = {}

    async def ask(number: int) -> None:
        while True:
            asked = monotonic()
            if await there.stands_between(*pairs[number]):
                return
            passed[number] = asked
            await asyncio.sleep(0.005)

    async def block(number: int) -> None:
        await asyncio.sleep(number * 0.02)
        assert await here.add(*pairs[number], None, NOW)
        await asyncio.sleep(TRUSTED_SECONDS)
        answered[number] = monotonic()

    async with asyncio.timeout(20):
        await asyncio.gather(*(work(number) for number in range(20) for work in (ask, block)))
    assert all(passed.get(number, 0.0) <= answered[number] for number in range(20))
    assert await here.stands_between(*pairs[0]) and await here.stands_between(*reversed(pairs[0]))


async def test_an_unblocked_pair_is_open_and_a_second_block_counts(nodes: tuple[UserBlocks, UserBlocks]) -> None:
    here, there = nodes
    (one,), (other,) = people(1), people(1)
    for _ in range(2):
        assert not await there.stands_between(one, other)
        assert await here.add(one, other, None, NOW) and not await here.add(one, other, None, NOW)
        await asyncio.sleep(TRUSTED_SECONDS)
        assert await there.stands_between(one, other)
        assert await here.remove(one, other, None) and not await here.remove(one, other, None)


async def test_blocks_at_once_have_numbers_of_their_own(
    database: Database, nodes: tuple[UserBlocks, UserBlocks]
) -> None:
    ones, others = people(12), people(12)
    blocked = [nodes[at % 2].add(*pair, None, NOW) for at, pair in enumerate(zip(ones, others, strict=True))]
    assert await asyncio.gather(*blocked) == [True] * 12
    rows = await database.collection(user_blocks.NAME).find().to_list(None)
    assert sorted(row["number"] for row in rows) == list(range(1, 13))


async def test_asking_again_reads_next_to_nothing(database: Database, nodes: tuple[UserBlocks, UserBlocks]) -> None:
    """However many talk: a look for all of them, twice a second."""
    pairs = list(zip(people(200), people(200), strict=True))
    blocks, reads = nodes[0], 0
    find = blocks._blocks.find

    def counted(*args: object, **named: object) -> object:
        nonlocal reads
        reads += 1
        return find(*args, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks._blocks, "find", counted, raising=False)
        began = monotonic()
        for _ in range(50):
            for pair in pairs:
                assert not await blocks.stands_between(*pair)
            await asyncio.sleep(0.01)
        took = monotonic() - began
    # The first time each pair is read.
    assert reads <= len(pairs) + 2 * took + 2
