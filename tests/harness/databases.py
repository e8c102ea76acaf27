"""Databases for tests: few, because MongoDB keeps the files of a dropped collection open for minutes."""

from __future__ import annotations

import time
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
