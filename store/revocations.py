"""Revocations: rows that every node follows, written in the transaction of the change that they announce."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pymongo
from bson import ObjectId
from pymongo import ASCENDING, AsyncMongoClient, IndexModel
from pymongo.asynchronous.change_stream import AsyncChangeStream
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import OperationFailure
from pymongo.read_concern import ReadConcern

from domain.errors import unavailable
from domain.sessions import Reason, Revocation
from store.database import ClientSession, CollectionSchema, Database, Document
from store.failures import repository

NAME = "revocations"
SCHEMAS = (
    CollectionSchema(
        NAME,
        # Serves the polls.
        (IndexModel([("at", ASCENDING), ("_id", ASCENDING)], name="since"),),
        # Made rows go after 20 minutes, whatever the setting. Nodes of that version may start beside this one.
        obsolete=("at",),
    ),
)
_INSERTS = [{"$match": {"operationType": "insert"}}]
# How long one look into the stream waits for something to come, and with it the end of a node.
_AWAIT_MS = 250
# One read of either kind; a server that does not answer holds nothing up for longer.
READ_SECONDS = 1.5
# A token that no longer means anything, or lies further back than the server's memory: the polls fill the gap.
_CANNOT_GO_ON = frozenset({260, 280, 286})


Followed = AsyncCollection[Document]


@repository
class Revocations:
    """Following has a small client of its own, without threads: neither slow reads of others nor a server that
    stops answering leaves it waiting, and it comes back as soon as the server does.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._rows = database.collection(NAME)
        self._client: AsyncMongoClient[Document] | None = None

    async def add(
        self, user_id: str, session_id: str | None, reason: Reason, at: datetime, *, session: ClientSession
    ) -> None:
        document: Document = {"_id": ObjectId(), "user": ObjectId(user_id), "reason": reason, "at": at}
        if session_id is not None:
            document["session"] = ObjectId(session_id)
        await self._rows.insert_one(document, session=session)

    async def since(self, at: datetime) -> list[Revocation]:
        """Those of that instant and later, by the clocks of the nodes that wrote them."""
        with pymongo.timeout(READ_SECONDS):
            found = self._followed().find({"at": {"$gte": at}}, batch_size=2000)
            return [_from(document) async for document in found]

    def stream(self) -> RevocationStream:
        return RevocationStream(self._followed())

    async def close(self) -> None:
        """Follow no more."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    def _followed(self) -> Followed:
        if self._client is None:
            limit = int(READ_SECONDS * 1000)
            self._client = AsyncMongoClient(
                self._database.url,
                appname="spotter revocations",
                tz_aware=True,
                maxPoolSize=4,
                serverSelectionTimeoutMS=limit,
                connectTimeoutMS=limit,
                socketTimeoutMS=limit,
                heartbeatFrequencyMS=1000,
            )
        return self._client[self._database.db.name].get_collection(NAME, read_concern=ReadConcern("majority"))


@repository
class RevocationStream:
    """A change stream over the rows. After an error it goes on behind the last row that it delivered."""

    def __init__(self, rows: Followed) -> None:
        self._rows = rows
        self._stream: AsyncChangeStream[Document] | None = None
        self._token: Mapping[str, Any] | None = None

    async def next(self) -> Revocation | None:
        """The next row; nothing when none came for a while."""
        try:
            with pymongo.timeout(READ_SECONDS):
                if self._stream is None:
                    self._stream = await self._rows.watch(
                        _INSERTS, start_after=self._token, max_await_time_ms=_AWAIT_MS
                    )
                change = await self._stream.try_next()
        except BaseException as error:
            self._stream = None
            if isinstance(error, OperationFailure) and error.code in _CANNOT_GO_ON:
                self._token = None
            raise
        self._token = self._stream.resume_token
        if change is None and not self._stream.alive:
            self._stream = None
            raise unavailable("The stream has ended.")
        return None if change is None else _from(change["fullDocument"])

    async def close(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            await stream.close()


def _from(document: Document) -> Revocation:
    session_id = document.get("session")
    return Revocation(
        id=str(document["_id"]),
        user_id=str(document["user"]),
        session_id=None if session_id is None else str(session_id),
        reason=document["reason"],
        at=document["at"],
    )
