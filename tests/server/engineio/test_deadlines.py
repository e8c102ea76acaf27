"""Delays that share a timer."""

from __future__ import annotations

import asyncio

from server.deadlines import Deadlines

DELAY = 2.0


async def test_one_that_starts_again_does_not_hold_up_the_next() -> None:
    loop = asyncio.get_running_loop()
    fallen: asyncio.Queue[tuple[str, float]] = asyncio.Queue()

    def expire(item: str, due: float) -> None:
        fallen.put_nowait((item, loop.time() - due))
        if item == "again":
            deadlines.start(item)

    deadlines = Deadlines(DELAY, expire)
    now = loop.time()
    deadlines.start("again", now - DELAY)
    deadlines.start("next", now - DELAY + 0.05)
    assert (await fallen.get())[0] == "again"
    item, late = await fallen.get()
    assert item == "next"
    assert late < DELAY / 2
    deadlines.stop()
