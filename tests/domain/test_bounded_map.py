"""What was written last is kept, and no more of it than there may be."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from domain.bounded_map import BoundedMap

_keys = st.integers(0, 9)
_writes = st.lists(st.tuples(_keys, st.integers()), max_size=40)


def _kept(writes: list[tuple[int, int]], most: int) -> list[tuple[int, int]]:
    """The last write of each key, of the ``most`` keys that were written last."""
    last: dict[int, int] = {}
    for key, value in writes:
        last.pop(key, None)
        last[key] = value
    return [*last.items()][-most:]


@given(_writes, st.integers(1, 6))
def test_what_was_written_longest_ago_is_forgotten(writes: list[tuple[int, int]], most: int) -> None:
    one: BoundedMap[int, int] = BoundedMap(most)
    for key, value in writes:
        one[key] = value
        one.get(writes[0][0])
    assert [*one.items()] == _kept(writes, most)
    assert _updated(most, writes) == _kept(writes, most)
    assert _updated(most, dict(writes)) == _kept([*dict(writes).items()], most)


def _updated(most: int, written: list[tuple[int, int]] | dict[int, int]) -> list[tuple[int, int]]:
    kept: BoundedMap[int, int] = BoundedMap(most)
    kept.update(written)
    return [*kept.items()]


@given(_writes, st.integers(1, 6), _keys)
def test_what_is_taken_out_makes_room(writes: list[tuple[int, int]], most: int, gone: int) -> None:
    kept: BoundedMap[int, int] = BoundedMap(most)
    kept.update(writes)
    expected = [item for item in kept.items() if item[0] != gone]
    kept.pop(gone, None)
    assert [*kept.items()] == expected
    kept.setdefault(gone, 1)
    assert [*kept.items()] == [*expected, (gone, 1)][-most:]
