"""Preparing a database that earlier versions have used."""

from __future__ import annotations

import asyncio

import pytest
from pymongo import ASCENDING, IndexModel

from store import erasures, outbox, publish_outages, revocations
from store.database import CollectionSchema, Database, prepare

# What found rows before they had an instant.
OLD = {outbox.NAME: "createdAt", erasures.NAME: "at", publish_outages.NAME: "at"}


@pytest.fixture
async def collections(kept_database: Database) -> list[str]:
    for name, field in OLD.items():
        await kept_database.collection(name).drop_indexes()
        await prepare(kept_database, [CollectionSchema(name, [IndexModel([(field, ASCENDING)], name="age")])])
    return list(OLD)


async def _names(database: Database, collection: str) -> set[str]:
    return set(await database.collection(collection).index_information())


async def test_indexes_that_nothing_reads_go(kept_database: Database, collections: list[str]) -> None:
    schemas = [*outbox.SCHEMAS, *erasures.SCHEMAS, *publish_outages.SCHEMAS]
    for _ in range(2):
        await prepare(kept_database, schemas)
        for name in collections:
            assert await _names(kept_database, name) >= {"_id_", "due", "work"}
            assert "age" not in await _names(kept_database, name)


async def test_revocations_of_an_earlier_version_are_kept_by_the_setting(kept_database: Database) -> None:
    """Its index made them go after 20 minutes; its nodes make it again when they start beside ours."""
    earlier = IndexModel([("at", ASCENDING)], name="at", expireAfterSeconds=1200)
    rows = kept_database.collection(revocations.NAME)
    for _ in range(2):
        await prepare(kept_database, [CollectionSchema(revocations.NAME, [earlier])])
        # Several nodes start at once.
        await asyncio.gather(*(prepare(kept_database, revocations.SCHEMAS) for _ in range(4)))
        indexes = await rows.index_information()
        assert indexes.keys() == {"_id_", "since"}
        assert [one for one in indexes.values() if "expireAfterSeconds" in one] == []
