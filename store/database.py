"""The connection to MongoDB, with every concern said aloud, and transactions."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from motor.motor_asyncio import (
    AsyncIOMotorClient,
    AsyncIOMotorClientSession,
    AsyncIOMotorCollection,
    AsyncIOMotorDatabase,
)
from pymongo import ReadPreference, WriteConcern
from pymongo.errors import PyMongoError
from pymongo.read_concern import ReadConcern

from domain.errors import unavailable
from store.failures import is_transient

Document = dict[str, Any]
Collection = AsyncIOMotorCollection[Document]
Session = AsyncIOMotorClientSession
T = TypeVar("T")

MAJORITY = WriteConcern("majority", j=True)
READ_MAJORITY = ReadConcern("majority")
SNAPSHOT = ReadConcern("snapshot")
DEFAULT_NAME = "spotter"
# NOTES-booking.md: retries of a transaction stop after 2 s.
TRANSACTION_PATIENCE_SECONDS = 2.0
PING_SECONDS = 2.0


class Database:
    """One client per process; collections read and write with majority concern."""

    def __init__(self, url: str) -> None:
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
        try:
            await asyncio.wait_for(self.db.command("ping"), PING_SECONDS)
        except (PyMongoError, TimeoutError):
            return False
        return True

    async def transaction(self, body: Callable[[Session], Awaitable[T]]) -> T:
        """Run ``body`` in a transaction, again on a conflict; ``unavailable`` after 2 s of conflicts.

        The body may run more than once: it may only write to the database.
        """
        loop = asyncio.get_running_loop()
        give_up = loop.time() + TRANSACTION_PATIENCE_SECONDS
        pause = 0.005
        while True:
            try:
                return await self._attempt(body)
            except PyMongoError as error:
                if not is_transient(error):
                    raise
                if loop.time() + pause > give_up:
                    raise unavailable() from error
                await asyncio.sleep(pause * random.uniform(0.5, 1.5))
                pause = min(pause * 2, 0.2)

    async def _attempt(self, body: Callable[[Session], Awaitable[T]]) -> T:
        async with await self.client.start_session() as session:
            session.start_transaction(read_concern=SNAPSHOT, write_concern=MAJORITY)
            try:
                result = await body(session)
            except BaseException:
                await session.abort_transaction()
                raise
            await self._commit(session)
            return result

    async def _commit(self, session: Session) -> None:
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
