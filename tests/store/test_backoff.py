"""Pauses grow to the longest, and stay within their jitter."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from store.backoff import ExponentialBackoff

_seconds = st.floats(0.001, 3600.0)
_parts = st.floats(0.1, 2.0)
backoffs = st.builds(
    lambda seconds, parts: ExponentialBackoff(min(seconds), max(seconds), jitter=(min(parts), max(parts))),
    st.tuples(_seconds, _seconds),
    st.tuples(_parts, _parts),
)


@given(backoffs, st.integers(1, 10_000))
def test_a_pause_is_within_the_jitter(backoff: ExponentialBackoff, attempt: int) -> None:
    whole = min(backoff.first * 2.0 ** min(attempt - 1, 100), backoff.longest)
    least, most = backoff.jitter
    assert whole * least * (1 - 1e-9) <= backoff.pause(attempt) <= whole * most * (1 + 1e-9)


@given(_seconds, _seconds)
def test_pauses_double_up_to_the_longest(one: float, other: float) -> None:
    backoff = ExponentialBackoff(min(one, other), max(one, other), jitter=(1.0, 1.0))
    pauses = [backoff.pause(attempt) for attempt in range(1, 40)]
    assert pauses[0] == backoff.first
    assert pauses[-1] == backoff.longest
    assert all(later == min(2 * earlier, backoff.longest) for earlier, later in pairwise(pauses))


def test_those_who_fail_together_do_not_come_back_together() -> None:
    backoff = ExponentialBackoff(first=0.1, longest=1.0)
    assert len({backoff.pause(1) for _ in range(10)}) > 1
