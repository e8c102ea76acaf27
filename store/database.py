"""The connection to MongoDB with every concern explicit, transactions, and indexes.

Setting up collections and indexes at start may be repeated.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from collections.abc import Collection as Several
from contextlib import AsyncExitStack
from dataclasses import dataclass
from time import monotonic
from typing import Any, TypeVar

import pymongo
from motor.motor_asyncio import (
    AsyncIOMotorClient,
    AsyncIOMotorClientSession,
    AsyncIOMotorCollection,
    AsyncIOMotorDatabase,
)
from pymongo import IndexModel, ReadPreference, WriteConcern
from pymongo.errors import (
    OperationFailure,
    PyMongoError,
)
from pymongo.read_concern import ReadConcern

from domain.errors import DomainError, unavailable
from store import command_budget, threads
from store.backoff import ExponentialBackoff
from store.failures import is_transient
from store.fair_limiter import FairLimiter, KeyedTurns
from store.reachability import understood_url

Document = dict[str, Any]
Collection = AsyncIOMotorCollection[Document]
ClientSession = AsyncIOMotorClientSession
T = TypeVar("T")
# A document, or a few, that several transactions write; what is one's own sorts before what many share.
Hot = tuple[int, str]
OWN, SHARED = 0, 1

MAJORITY = WriteConcern("majority", j=True)
READ_MAJORITY = ReadConcern("majority")
SNAPSHOT = ReadConcern("snapshot")
DEFAULT_NAME = "spotter"
# The driver would go on with a transaction for two minutes, and its client has long repeated it.
TRANSACTION_TIMEOUT_SECONDS = 2.0
# Nothing that others wait for is held meanwhile; of a command's ten seconds it leaves enough to be tried.
TURN_TIMEOUT_SECONDS = 6.0
# Of one operation of a transaction that others wait for: they still wait when a stalled connection is given up.
HOT_OPERATION_SECONDS = 3.0
PING_SECONDS = 2.0
_INDEX_NOT_FOUND = 27
# Transactions of commands: each holds a connection and, again and again, a thread of the driver's. Half of the threads
# stay for whatever else there is.
TRANSACTIONS_AT_ONCE, TRANSACTIONS_OF_NETWORK, TRANSACTIONS_OF_ONE_OWNER = 16, 12, 4
# Of a transaction that is given up, even when its command has no time left: what it holds stands in others' way.
_ABORT_SECONDS = 1.0
_BACKOFF = ExponentialBackoff(first=0.005, longest=0.2, jitter=(0.5, 1.5))

threads.install()


def filtered(array: str, condition: Document) -> Document:
    """The expression of an array's elements (``$$this``) that fulfil a condition; of none where there is no array."""
    return {"$filter": {"input": {"$ifNull": [array, []]}, "cond": condition}}


class Database:
    """A process has one, and revocations a client of their own; collections read and write with majority concern."""

    def __init__(self, url: str) -> None:
        """Raises ``Misconfigured`` for a URL that no server can be found by."""
        self.url = url
        self._answered = monotonic()
        self._own: KeyedTurns[str] = KeyedTurns(TRANSACTIONS_OF_ONE_OWNER, _busy)
        self._hot: KeyedTurns[Hot] = KeyedTurns(1, _busy)
        self._all = FairLimiter(
            TRANSACTIONS_OF_ONE_OWNER, TRANSACTIONS_AT_ONCE, _busy, TRANSACTIONS_OF_NETWORK
        )
        with understood_url():
            self.client: AsyncIOMotorClient[Document] = AsyncIOMotorClient(
                url,
                appname="spotter",
                tz_aware=True,
                maxPoolSize=64,
                minPoolSize=2,
                serverSelectionTimeoutMS=3000,
                connectTimeoutMS=3000,
                socketTimeoutMS=20000,
                retryWrites=True,
                retryReads=True,
            )
        name = self.client.get_default_database(DEFAULT_NAME).name
        self.db: AsyncIOMotorDatabase[Document] = self.client.get_database(
            name,
            read_preference=ReadPreference.PRIMARY,
            write_concern=MAJORITY,
            read_concern=READ_MAJORITY,
        )

    def collection(self, name: str) -> Collection:
        return self.db[name]

    async def answers(self) -> bool:
        """Whether there is a primary that answers now."""
        asked = monotonic()
        try:
            # The driver's own limit: a thread of its pool is not left waiting for an answer that does not come.
            with pymongo.timeout(PING_SECONDS):
                await asyncio.wait_for(self.db.command("ping"), PING_SECONDS)
        except (PyMongoError, TimeoutError):
            return False
        self._answered = asked
        return True

    def unanswered_seconds(self) -> float:
        """How many seconds ago it was asked last by what it answered (``answers``): nodes ask each second."""
        return monotonic() - self._answered

    async def transaction(self, body: Callable[[ClientSession], Awaitable[T]], *, hot: Several[Hot] = ()) -> T:
        """Run ``body`` in a transaction, again on a conflict; ``unavailable`` after 2 s of conflicts or 6 s of waiting.

        The body may run more than once: it may only write to the database, and may not begin another transaction.
        ``hot`` names documents that other transactions write as well: on one node those wait for each other, network by
        network and owner by owner (of the command's budget), instead of failing each other until one of them gives up.
        """
        budget, give_up = command_budget.current(), monotonic() + self._at_most(TURN_TIMEOUT_SECONDS)
        owner, network = ("", "") if budget is None else (budget.owner, budget.network)
        async with AsyncExitStack() as held:
            if owner:
                # First where only one's own are waited for: nothing that others need is held meanwhile.
                await held.enter_async_context(self._own.turn(owner, owner, give_up - monotonic()))
            # In one order for all, so that no two wait for each other.
            for document in sorted(set(hot)):
                await held.enter_async_context(self._hot.turn(document, owner, give_up - monotonic(), network))
            if owner:
                # The server's own work has bounds of its own.
                await held.enter_async_context(self._all.turn(owner, give_up - monotonic(), network))
            if hot:
                with command_budget.limited(HOT_OPERATION_SECONDS):
                    return await self._transaction(body)
            return await self._transaction(body)

    @staticmethod
    def _at_most(seconds: float) -> float:
        return min(seconds, max(0.0, command_budget.remaining()))

    async def _transaction(self, body: Callable[[ClientSession], Awaitable[T]]) -> T:
        loop = asyncio.get_running_loop()
        give_up = loop.time() + self._at_most(TRANSACTION_TIMEOUT_SECONDS)
        attempts = 0
        while True:
            attempts += 1
            try:
                with threads.begun():
                    return await self._attempt(body)
            except PyMongoError as error:
                if not is_transient(error):
                    raise
                pause = _BACKOFF.pause(attempts)
                if loop.time() + pause > give_up:
                    raise unavailable() from error
                await asyncio.sleep(pause)

    async def _attempt(self, body: Callable[[ClientSession], Awaitable[T]]) -> T:
        async with await self.client.start_session() as session:
            session.start_transaction(read_concern=SNAPSHOT, write_concern=MAJORITY)
            try:
                result = await body(session)
            except BaseException:
                with command_budget.extended(_ABORT_SECONDS):
                    await session.abort_transaction()
                raise
            await self._commit(session)
            return result

    async def _commit(self, session: ClientSession) -> None:
        """Committing again is safe and the only answer to a commit of unknown outcome."""
        for _ in range(3):
            try:
                await session.commit_transaction()
                return
            except PyMongoError as error:
                if not error.has_error_label("UnknownTransactionCommitResult"):
                    raise
        raise unavailable()

    def close(self) -> None:
        self.client.close()


def _busy(seconds: float) -> DomainError:
    return unavailable()


@dataclass(frozen=True, slots=True)
class CollectionSchema:
    """A collection's name and its indexes, in the order in which they are to be made.

    ``obsolete``: names of indexes that earlier versions made and nothing reads any more.
    """

    name: str
    indexes: Sequence[IndexModel]
    obsolete: Sequence[str] = ()


async def prepare(database: Database, schemas: Sequence[CollectionSchema]) -> None:
    """Make what is missing, then drop what is obsolete.

    Order matters: of two violated unique indexes the first made is reported.
    """
    for schema in schemas:
        if schema.indexes:
            await database.collection(schema.name).create_indexes(list(schema.indexes))
    for schema in schemas:
        if schema.obsolete:
            await _drop(database.collection(schema.name), schema.obsolete)


async def _drop(collection: Collection, obsolete: Sequence[str]) -> None:
    there = await collection.index_information()
    for name in obsolete:
        if name not in there:
            continue
        try:
            await collection.drop_index(name)
        except OperationFailure as error:
            # Another node that starts was faster.
            if error.code != _INDEX_NOT_FOUND:
                raise
