"""The fixtures hand out databases that can do what the store needs."""

from __future__ import annotations

from redis.asyncio import Redis

from store.database import ClientSession, Database


async def test_a_transaction_commits(database: Database) -> None:
    async def write(session: ClientSession) -> None:
        await database.collection("notes").insert_one({"value": 1}, session=session)

    await database.transaction(write)

    assert await database.collection("notes").count_documents({}) == 1


async def test_redis_answers(redis_url: str) -> None:
    async with Redis.from_url(redis_url) as client:
        assert await client.ping()
