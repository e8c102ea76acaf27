"""What is decided from a version that another may replace before it is committed."""

from __future__ import annotations

import pytest

from domain.errors import Code, DomainError
from store.failures import ChangedMeanwhile, decided_anew


class Contended:
    """A decision that others are faster than so often."""

    def __init__(self, lost: int, error: type[Exception] = ChangedMeanwhile) -> None:
        self.decisions = 0
        self._lost = lost
        self._error = error

    @decided_anew
    async def decide(self, value: str) -> str:
        self.decisions += 1
        if self.decisions <= self._lost:
            raise self._error
        return value


@pytest.mark.parametrize("lost", [0, 1, 9])
async def test_whoever_was_too_slow_decides_again(lost: int) -> None:
    contended = Contended(lost)
    assert await contended.decide("taken") == "taken"
    assert contended.decisions == lost + 1


async def test_after_ten_in_vain_it_is_unavailable() -> None:
    contended = Contended(10)
    with pytest.raises(DomainError) as refused:
        await contended.decide("taken")
    assert refused.value.code is Code.UNAVAILABLE
    assert contended.decisions == 10


async def test_what_fails_otherwise_is_not_tried_again() -> None:
    contended = Contended(1, LookupError)
    with pytest.raises(LookupError):
        await contended.decide("taken")
    assert contended.decisions == 1
