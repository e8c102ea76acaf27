"""What is kept for so many days goes after them, and nothing before."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from bson import ObjectId

from store import retention
from store.database import Database
from store.retention import KEPT, Retention

NOW = datetime(2026, 11, 28, tzinfo=UTC)


async def rows(database: Database, name: str, *ages: float) -> None:
    # Several of one second have one instant in their ids.
    ids = [ObjectId.from_datetime(NOW - timedelta(days=age)) for age in ages]
    await database.collection(name).insert_many(
        {"_id": one, "user": number, "command": "x", "key": "x"} for number, one in enumerate(ids)
    )


@pytest.mark.parametrize("setting", sorted(KEPT))
async def test_rows_go_after_their_days(database: Database, setting: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "AT_ONCE", 2)
    for name in KEPT.values():
        await rows(database, name, 0, 29.9, 30.1, 31, 32, 400)
    kept = Retention(database, {one: 30 if one == setting else 0 for one in KEPT})
    assert await kept.forget(NOW) == 4
    assert await kept.forget(NOW) == 0
    for one, name in KEPT.items():
        assert await database.collection(name).count_documents({}) == (2 if one == setting else 6)
