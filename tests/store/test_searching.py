"""Search against a plain look at the same texts, and the work of a call, whatever the size of the history."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from bson import ObjectId
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.searching_messages import WORDS, ask, fill
from domain.text import spelling
from store.database import Database
from store.log.documents import MESSAGES, SAYING
from store.log.log import Log
from store.log.search import MERGED_CONVERSATIONS, MessageSearch, stretch_pipeline
from tests.store.writing import new_id

Said = list[tuple[str, str, str]]
_scripts = st.sampled_from(sorted(WORDS)).flatmap(lambda name: st.sampled_from(WORDS[name].split()))
_texts = st.lists(_scripts | st.sampled_from(["’", "“", "—", "ﬁ", "①", "Ⅳ", "🏋️", "ß", "İ"]), min_size=1, max_size=6)
_cases = st.sampled_from([str, str.upper, str.lower, str.title, spelling])


def _expected(said: Said, question: str) -> list[str]:
    wanted = spelling(question)
    return [key for key, _, text in reversed(said) if wanted and wanted in spelling(text)]


async def _to_the_end(search: MessageSearch, ids: Sequence[str], question: str, limit: int) -> tuple[list[str], int]:
    found: list[str] = []
    calls, cursor = 0, None
    while True:
        page = await search.page(ids, question, cursor, limit)
        calls += 1
        assert len(page.records) <= limit
        found += [record.id for record in page.records]
        cursor = page.rest
        if cursor is None:
            return found, calls


@pytest.fixture(scope="module")
async def history(shared_database: Database) -> tuple[list[str], Said]:
    """Two thousand messages in twenty conversations, most of them in a few."""
    ids = [new_id() for _ in range(20)]
    return ids, await fill(shared_database, ids, random.Random(7), 2_000)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
async def test_it_is_complete_and_newest_first(history: tuple[list[str], Said], log: Log, data: Any) -> None:
    ids, said = history
    text = data.draw(st.sampled_from(said).map(lambda one: one[2]) | _texts.map(" ".join))
    start = data.draw(st.integers(0, len(text) - 1))
    question = data.draw(_cases)(text[start : start + data.draw(st.integers(1, 30))])
    found, _ = await _to_the_end(log.search, ids, question, 100)
    assert found == _expected(said, question)


@pytest.mark.parametrize("first", [1, 7, 300])
async def test_a_call_looks_at_one_stretch_when_it_has_no_time(
    shared_database: Database, history: tuple[list[str], Said], log: Log, first: int
) -> None:
    ids, said = history
    newest = said[-500:] if first < 300 else said
    search = MessageSearch(shared_database, log.read, first=first, seconds=0)
    place = None if newest is said else said[-501][0]
    cursor, calls, found = None, 0, list[str]()
    while True:
        page = await search.page(ids, "training", cursor, 20)
        calls += 1
        found += [record.id for record in page.records]
        cursor = page.rest
        if cursor is None or (place is not None and cursor <= place):
            break
    expected = _expected(newest, "training")
    assert found[: len(expected)] == expected
    # No call looks at more than its stretch, and all but the last look at all of it.
    assert calls >= len(newest) // first


async def test_more_conversations_than_the_planner_merges(shared_database: Database, log: Log) -> None:
    ids = [new_id() for _ in range(2 * MERGED_CONVERSATIONS + 50)]
    said = await fill(shared_database, ids, random.Random(3), 900)
    for search in (log.search, MessageSearch(shared_database, log.read, first=30, seconds=0)):
        found, _ = await _to_the_end(search, ids, "CAFE", 50)
        assert found == _expected(said, "cafe")


@pytest.mark.parametrize("conversations", [1, MERGED_CONVERSATIONS])
async def test_the_plan_merges_and_stops(shared_database: Database, conversations: int) -> None:
    ids = [new_id() for _ in range(conversations)]
    await fill(shared_database, ids, random.Random(5), 600)
    pipeline = stretch_pipeline(ids, "training", [], ObjectId(), 100)
    explained = await shared_database.db.command(
        {
            "explain": {"aggregate": MESSAGES, "pipeline": pipeline, "cursor": {}, "hint": SAYING},
            "verbosity": "executionStats",
        }
    )
    stages = list(_stages(explained))
    assert not [stage for stage in stages if stage.get("stage") in ("SORT", "COLLSCAN")]
    examined = max(stage.get("totalDocsExamined", 0) for stage in stages)
    assert examined == 100


def _stages(explained: Any) -> Iterator[dict[str, Any]]:
    if isinstance(explained, dict):
        yield explained
    for one in explained.values() if isinstance(explained, dict) else explained if isinstance(explained, list) else ():
        yield from _stages(one)


@pytest.mark.soak
async def test_a_long_history(shared_database: Database, log: Log) -> None:
    """The bar's own size; its figure is ``bench.searching_messages``' to take."""
    ids = [new_id() for _ in range(200)]
    chance = random.Random(11)
    said = await fill(shared_database, ids, chance, 100_000)
    for question in ("Zwolffingerdarm", "no such words", "体", "कि"):
        found, _ = await ask(log.search, ids, question, 100)
        assert found == _expected(said, question)
