"""Documents that are kept: as long as their tags are the same, and no more than there is room for."""

from __future__ import annotations

from handlers.context import no_turn
from handlers.document_cache import DocumentCache
from store.fair_limiter import FairLimiter


class Written:
    """Counts how often a document is written."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.times = 0

    async def write(self) -> bytes:
        self.times += 1
        return b"x" * self.size


def kept(most_bytes: int) -> DocumentCache:
    return DocumentCache(most_bytes, FairLimiter(1, 2, no_turn))


async def test_the_least_recently_read_go() -> None:
    documents, made = kept(250), {name: Written(100) for name in "abc"}
    for name in ("a", "b", "a", "c", "a", "c"):
        await documents.written(name, "1", made[name].write)
    assert {name: one.times for name, one in made.items()} == {"a": 1, "b": 1, "c": 1}
    await documents.written("b", "1", made["b"].write)
    assert made["b"].times == 2


async def test_one_of_an_owner_is_kept() -> None:
    documents, made = kept(250), Written(100)
    for number in range(20):
        await documents.written("a", str(number), made.write)
    other = Written(100)
    for _ in range(2):
        await documents.written("b", "1", other.write)
        await documents.written("a", "19", made.write)
    assert (made.times, other.times) == (20, 1)


async def test_what_is_larger_than_all_room_is_written_each_time() -> None:
    documents, made = kept(50), Written(100)
    for times in (1, 2):
        assert len(await documents.written("a", "1", made.write)) == 100
        assert made.times == times
