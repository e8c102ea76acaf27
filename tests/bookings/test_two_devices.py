"""``changedAfter``, ``sync`` and the live events agree: whoever comes and goes ends where one is who stayed."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, ClassVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from tests.bookings.market import Data, Market
from tests.bookings.two_devices import TRAINERS, ClientWithTwoDevices
from tests.harness.machines import run_machine

TIMEOUT_SECONDS = 60.0
TRAINER, PICK, TIMES = st.integers(0, TRAINERS - 1), st.integers(0, 4), st.integers(1, 4)
UNTIL = st.sampled_from([None, "9999-12-31T00:00:00.000Z", "2099-12-24T18:00:00.000Z"])


def _step(name: str, **arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[str, Data]]:
    return st.tuples(st.just(name), st.fixed_dictionaries(arguments))


_COMES = _step("comes", limit=st.sampled_from([1, 3, 100]))
_GOES = _step("goes")
_ALTERS = _step("alters", pick=PICK, by=st.integers(0, 1), what=st.sampled_from(["cancel", "move", "complete"]))
_BOOKS = _step("books", trainer=TRAINER, times=TIMES)
# One rule that chooses among them: Hypothesis leaves whole rules out of an example.
STEP = st.one_of(
    _GOES,
    _step("says", trainer=TRAINER, mine=st.booleans(), times=TIMES),
    _BOOKS,
    _ALTERS,
    _COMES,
    _step(
        "changes", trainer=TRAINER, pick=PICK, what=st.sampled_from(["edit", "delete", "react", "react", "unreact"])
    ),
    _step(
        "marks", trainer=TRAINER, mine=st.booleans(), back=st.integers(0, 3),
        kind=st.sampled_from(["seen", "delivered"]),
    ),
    _step("mutes", trainer=TRAINER, until=UNTIL),
    _step("sees_all"),
    _ALTERS,
)  # fmt: skip


class TwoDevices(RuleBasedStateMachine):
    market: ClassVar[Market]
    loop: ClassVar[asyncio.AbstractEventLoop]

    def do(self, step: Coroutine[Any, Any, None]) -> None:
        """A step on the loop of the tests; Hypothesis runs in a thread of its own."""
        asyncio.run_coroutine_threadsafe(step, self.loop).result(TIMEOUT_SECONDS)

    @initialize(begins=st.lists(_BOOKS, max_size=2), comes=st.booleans())
    def open(self, begins: list[tuple[str, Data]], comes: bool) -> None:
        async def make() -> None:
            self.client = await ClientWithTwoDevices.open(self.market)
            if comes:
                await self.client.comes(100)

        self.do(make())
        for step in begins:
            self.step(step)

    @rule(step=STEP)
    def step(self, step: tuple[str, Data]) -> None:
        name, arguments = step
        self.do(getattr(self.client, name)(**arguments))

    def teardown(self) -> None:
        if hasattr(self, "client"):
            try:
                self.do(self.client.check())
            finally:
                self.do(self.client.close())


async def test_who_comes_and_goes_ends_where_one_is_who_stayed(market: Market) -> None:
    await run_machine(TwoDevices, 4, 20, market=market)


@pytest.mark.soak
async def test_who_comes_and_goes_ends_where_one_is_who_stayed_for_long(market: Market) -> None:
    await run_machine(TwoDevices, 40, 40, market=market)
