"""Databases for tests: few, because MongoDB keeps the files of a dropped collection open for minutes."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import jwt
from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorDatabase
from pymongo import AsyncMongoClient
from pymongo.monitoring import CommandListener
from pymongo.read_concern import ReadConcern

from store.database import CollectionSchema, Database, prepare
from store.store import SCHEMAS
from store.work_queue import POLL_COMMENT

PREFIX = "spotter_test_"


def named(mongo_url: str, name: str) -> str:
    """The server's URL with another database."""
    base, mark, options = mongo_url.partition("?")
    host = base.removeprefix("mongodb://").partition("/")[0]
    return f"mongodb://{host}/{name}{mark}{options}"


def new_name() -> str:
    """With its time, so that what a killed run left behind can be told and dropped."""
    return f"{PREFIX}{int(time.time())}_{uuid4().hex[:12]}"


class _Unused:
    """Databases of one server, with their indexes: those take it half a second of a processor, and a run has sixty."""

    def __init__(self) -> None:
        self.server: str | None = None
        self.names: deque[str] = deque()


_unused = _Unused()
# Of whose indexes this process has made all.
_indexed: set[str] = set()


async def prepare_once(database: Database, schemas: Sequence[CollectionSchema]) -> None:
    name = database.db.name
    if name not in _indexed:
        await prepare(database, schemas)
        if made_at(name) is not None:
            _indexed.add(name)


def _server_of(mongo_url: str) -> str:
    return mongo_url.removeprefix("mongodb://").partition("/")[0]


@asynccontextmanager
async def reused_databases(mongo_url: str, *, drop: bool) -> AsyncIterator[None]:
    """What was used on this server is used again; ``drop``: those that are left, at the end."""
    _unused.server = _server_of(mongo_url)
    try:
        yield
    finally:
        _unused.server = None
        client: AsyncMongoClient[dict[str, object]] = AsyncMongoClient(mongo_url)
        async with client:
            for name in _unused.names if drop else ():
                await client.drop_database(name)
        _unused.names.clear()


@asynccontextmanager
async def own_database(mongo_url: str) -> AsyncIterator[str]:
    """The URL of an empty database that is nobody else's meanwhile. It has its indexes, or gets them from a node."""
    if _unused.server != _server_of(mongo_url):
        name = new_name()
        yield named(mongo_url, name)
        client: AsyncMongoClient[dict[str, object]] = AsyncMongoClient(mongo_url)
        async with client:
            await client.drop_database(name)
        return
    if not _unused.names:
        name = new_name()
    else:
        name = _unused.names.popleft()
        # Not when it was given back: a process that was killed may have had a write on its way.
        former = Database(named(mongo_url, name))
        await make_empty(former)
        former.close()
    yield named(mongo_url, name)
    _unused.names.append(name)


@asynccontextmanager
async def prepared_database(mongo_url: str) -> AsyncIterator[Database]:
    """One with its indexes, for many tests that keep out of each other's way by using people of their own."""
    async with own_database(mongo_url) as url:
        database = Database(url)
        try:
            await prepare_once(database, SCHEMAS)
            yield database
        finally:
            database.close()


def made_at(name: str) -> int | None:
    """The time in a name of ours; nothing for another's."""
    if not name.startswith(PREFIX):
        return None
    return int(name.removeprefix(PREFIX).partition("_")[0])


async def contents(database: Database, *without: str) -> dict[str, list[dict[str, Any]]]:
    """Every document there is by the names of their collections, but for those ``without``.

    One command: a server has some fifty collections, and tests look at them thousands of times.
    """
    names = sorted(set(await database.db.list_collection_names()) - set(without))
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    async for one in _of_each(database.db, names, {"$sort": {"_id": 1}}):
        found[one["name"]].append(one["document"])
    return found


async def make_empty(database: Database) -> None:
    """The indexes stay."""
    # A profile that ends is written to once more by whatever was under way.
    names = [name for name in await database.db.list_collection_names() if not name.startswith("system.")]
    for name in [one["name"] async for one in _of_each(database.db, names, {"$limit": 1})]:
        await database.collection(name).delete_many({})


def _of_each(db: AsyncIOMotorDatabase[dict[str, Any]], names: list[str], stage: dict[str, Any]) -> AsyncIterator[Any]:
    named: dict[str, Any] = {"_id": 0, "document": "$$ROOT"}
    stages: list[dict[str, Any]] = [
        {"$unionWith": {"coll": name, "pipeline": [stage, {"$project": {**named, "name": {"$literal": name}}}]}}
        for name in names
    ]
    # What is committed, though no majority may have it yet.
    latest = db.with_options(read_concern=ReadConcern("local"))
    cursor: AsyncIterator[Any] = latest.aggregate([{"$documents": []}, *stages])
    return cursor


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
async def profiled(database: Database, *tokens: str) -> AsyncIterator[Callable[[], Awaitable[list[Any]]]]:
    """What it gives answers the reads of the users and sessions of these tokens that the server has made since, whoever
    asked. A node reads others meanwhile: those of a node that has died, which another test may have left.

    Durable work looks at sessions as well, every other second: it is left out.
    """
    claims = [jwt.decode(token, options={"verify_signature": False}) for token in tokens]
    names = {claim[name] for claim in claims for name in ("sub", "sid")}
    namespaces = [f"{database.db.name}.{name}" for name in ("users", "sessions")]

    async def reads() -> list[Any]:
        # What was begun before may end here; MongoDB itself takes rows whose time is over.
        begun_since = {"$gte": [{"$subtract": ["$ts", "$millis"]}, began]}
        wanted = {
            "ns": {"$in": namespaces},
            "op": {"$nin": ["insert", "update", "remove"]},
            "command.comment": {"$ne": POLL_COMMENT},
            "$expr": begun_since,
        }
        found = database.db["system.profile"].find(wanted, {"op": 1, "command": 1, "ts": 1, "millis": 1})
        return [read for read in await found.to_list(None) if any(name in str(read["command"]) for name in names)]

    await database.db.command({"profile": 2})
    began = (await database.db.command("hello"))["localTime"]
    try:
        yield reads
    finally:
        await database.db.command({"profile": 0})
        await database.db.drop_collection("system.profile")
