"""Databases for tests: few, because MongoDB keeps the files of a dropped collection open for minutes."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

from motor.motor_asyncio import AsyncIOMotorClient
from pymongo.monitoring import CommandListener

from store.database import Database

PREFIX = "spotter_test_"


def named(mongo_url: str, name: str) -> str:
    """The server's URL with another database."""
    base, mark, options = mongo_url.partition("?")
    host = base.removeprefix("mongodb://").partition("/")[0]
    return f"mongodb://{host}/{name}{mark}{options}"


def new_name() -> str:
    """With its time, so that what a killed run left behind can be told and dropped."""
    return f"{PREFIX}{int(time.time())}_{uuid4().hex[:12]}"


def made_at(name: str) -> int | None:
    """The time in a name of ours; nothing for another's."""
    if not name.startswith(PREFIX):
        return None
    return int(name.removeprefix(PREFIX).partition("_")[0])


class ListenedDatabase(Database):
    """A database of which a listener is given each command as the driver sends it."""

    def __init__(self, url: str, listener: CommandListener, **options: Any) -> None:
        super().__init__(url)
        plain, former = self.db, self.client
        self.client = AsyncIOMotorClient(url, tz_aware=True, event_listeners=[listener], **options)
        self.db = self.client.get_database(
            plain.name,
            read_preference=plain.read_preference,
            write_concern=plain.write_concern,
            read_concern=plain.read_concern,
        )
        former.close()


@asynccontextmanager
async def profiled(database: Database) -> AsyncIterator[Callable[[], Awaitable[int]]]:
    """What it gives answers how many reads of users and sessions the server has made since, whoever asked."""
    namespaces = [f"{database.db.name}.{name}" for name in ("users", "sessions")]

    async def reads() -> int:
        return await database.db["system.profile"].count_documents({"ns": {"$in": namespaces}})

    await database.db.command({"profile": 2})
    try:
        yield reads
    finally:
        await database.db.command({"profile": 0})
        await database.db.drop_collection("system.profile")
