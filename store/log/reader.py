"""Reading the log: always majority-committed, always with every change folded in."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bson import ObjectId, Timestamp
from pymongo.errors import OperationFailure

from domain.messages import Change, MessageRecord, fold
from store import command_budget
from store.database import Database, Document, repository
from store.log.documents import MESSAGES, change_record, message_record
from store.log.heads import Heads

SEARCH_SECONDS = 3.0
# Of texts as long as they get, about as many as an answer holds.
_BATCH = 50
# A cluster time; whoever holds one need not know the driver's type.
CommitTime = Timestamp
_SNAPSHOT = {"level": "snapshot"}
# SnapshotTooOld and, where the collection itself is younger, SnapshotUnavailable.
_NO_HISTORY = frozenset({239, 246})

Waiting = Mapping[str, Sequence[Change]]


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of the log; ``change`` is None for a message, ``record`` the (target) message as it now stands."""

    conversation_id: str
    seq: int
    change: Change | None
    record: MessageRecord


@repository
class LogReader:
    def __init__(self, database: Database) -> None:
        self._database = database.db
        self._messages = database.collection(MESSAGES)
        self._heads = Heads(database)

    async def heads(self, conversation_ids: Iterable[str]) -> dict[str, int]:
        """The head of each conversation named, 0 where nothing was said yet."""
        ids = list(conversation_ids)
        heads = await self._heads.of([ObjectId(i) for i in ids]) if ids else {}
        return {i: heads.get(ObjectId(i), 0) for i in ids}

    async def commit_time(self) -> CommitTime:
        """The cluster time up to which a majority has committed, at some moment of this call."""
        answer = await self._database.command(
            {"find": MESSAGES, "projection": {"_id": 1}, "limit": 1, "singleBatch": True, "readConcern": _SNAPSHOT}
        )
        at: CommitTime = answer["cursor"]["atClusterTime"]
        return at

    async def head_at(self, conversation_id: str, at: CommitTime) -> int | None:
        """The head of a conversation at a commit time; None when MongoDB keeps no history that old any more."""
        try:
            answer = await self._database.command(
                {
                    "find": MESSAGES,
                    "filter": {"conversationId": ObjectId(conversation_id)},
                    "sort": {"seq": -1},
                    "projection": {"seq": 1, "_id": 0},
                    "limit": 1,
                    "singleBatch": True,
                    "readConcern": _SNAPSHOT | {"atClusterTime": at},
                }
            )
        except OperationFailure as error:
            if error.code in _NO_HISTORY:
                return None
            raise
        found = answer["cursor"]["firstBatch"]
        return int(found[0]["seq"]) if found else 0

    async def message(self, message_id: str) -> MessageRecord | None:
        found = await self._messages.find_one({"_id": ObjectId(message_id), "change": {"$exists": False}})
        if found is None:
            return None
        record = message_record(found)
        return _folded(record, await self._waiting([record.conversation_id]))

    async def has_sent(self, record: MessageRecord) -> bool:
        """Whether the sender has a message under this ``clientMessageId``."""
        key = {
            "conversationId": ObjectId(record.conversation_id),
            "senderId": ObjectId(record.sender_id),
            "clientMessageId": record.client_message_id,
        }
        return await self._messages.find_one(key, {"_id": 1}) is not None

    async def messages(
        self, message_ids: Iterable[str], conversation_ids: Iterable[str]
    ) -> dict[str, MessageRecord]:
        """Messages of these conversations, by their ids."""
        ids = list(message_ids)
        return await self._by_id(ids, await self._waiting(conversation_ids)) if ids else {}

    async def before(self, conversation_id: str, before_seq: int | None, limit: int) -> list[MessageRecord]:
        """The ``limit`` messages before a ``seq`` (or the newest), ascending."""
        query: Document = {"conversationId": ObjectId(conversation_id), "change": {"$exists": False}}
        if before_seq is not None:
            query["seq"] = {"$lt": before_seq}
        waiting = await self._waiting([conversation_id])
        found = await self._messages.find(query).sort("seq", -1).limit(limit).to_list(None)
        return [_folded(message_record(document), waiting) for document in reversed(found)]

    async def between(
        self, spans: Mapping[str, tuple[int, int]], limit: int, text_bytes: int | None = None
    ) -> list[Entry]:
        """At most ``limit`` entries past each span's start, up to and including its end, in order of ``seq``.

        No more are read once their texts reach ``text_bytes``.
        """
        past: list[Document] = []
        waiting = await self._waiting(spans)
        for conversation_id, (start, end) in spans.items():
            query = {"conversationId": ObjectId(conversation_id), "seq": {"$gt": start, "$lte": end}}
            most = limit - len(past)
            if text_bytes is None:
                past += await self._messages.find(query).sort("seq", 1).limit(most).to_list(None)
            else:
                found = await self._some(query, most, text_bytes)
                past += found
                text_bytes -= sum(map(_text_bytes, found))
            if len(past) >= limit or (text_bytes is not None and text_bytes <= 0):
                break
        return await self._entries(past, waiting)

    async def _some(self, query: Document, limit: int, text_bytes: int) -> list[Document]:
        """The first that match, by ``seq``, up to the one whose text reaches the bytes."""
        cursor = self._messages.find(query, batch_size=_BATCH).sort("seq", 1).limit(limit)
        found: list[Document] = []
        try:
            async for document in cursor:
                found.append(document)
                text_bytes -= _text_bytes(document)
                if text_bytes <= 0:
                    break
        finally:
            await cursor.close()
        return found

    async def unread(self, spans: Mapping[str, tuple[int, int]], user_id: str, cap: int) -> dict[str, int]:
        """The other side's undeleted messages past each span's start, to its end, counted up to ``cap``."""
        if not spans:
            return {}
        waiting = await self._waiting(spans)
        deleted = [ObjectId(i) for i, changes in waiting.items() if any(c.kind == "delete" for c in changes)]
        counts = await asyncio.gather(*(self._count(i, span, user_id, deleted, cap) for i, span in spans.items()))
        return dict(zip(spans, counts, strict=True))

    async def _count(
        self, conversation_id: str, span: tuple[int, int], user_id: str, leaving_out: list[ObjectId], cap: int
    ) -> int:
        query: Document = {
            "conversationId": ObjectId(conversation_id),
            "seq": {"$gt": span[0], "$lte": span[1]},
            "senderId": {"$ne": ObjectId(user_id)},
            "change": {"$exists": False},
            "deletedAt": {"$exists": False},
        }
        if leaving_out:
            query["_id"] = {"$nin": leaving_out}
        return await self._messages.count_documents(query, limit=cap)

    async def search(
        self, conversation_ids: Iterable[str], text: str, before: str | None, limit: int
    ) -> list[MessageRecord]:
        """Messages that contain ``text``, whatever its case; newest first, older than the message ``before``."""
        query: Document = {
            "conversationId": {"$in": [ObjectId(i) for i in conversation_ids]},
            # The server takes no NUL inside a pattern.
            "text": {"$regex": re.escape(text).replace("\0", r"\x00"), "$options": "i"},
            "change": {"$exists": False},
        }
        if before is not None:
            query["_id"] = {"$lt": ObjectId(before)}
        cursor = self._messages.find(query).hint("sequencer").sort("_id", -1).limit(limit)
        with command_budget.limited(SEARCH_SECONDS):
            found = await cursor.to_list(None)
        waiting = await self._waiting({str(document["conversationId"]) for document in found})
        records = [_folded(message_record(document), waiting) for document in found]
        return [record for record in records if record.deleted_at is None]

    async def _entries(self, documents: Sequence[Document], waiting: Waiting) -> list[Entry]:
        changes = {document["_id"]: change_record(document) for document in documents if "change" in document}
        own = (message_record(document) for document in documents if "change" not in document)
        records = {record.id: _folded(record, waiting) for record in own}
        missing = {change.target for change in changes.values()} - records.keys()
        records |= await self._by_id(missing, waiting)
        entries = []
        for document in documents:
            change = changes.get(document["_id"])
            record = records[change.target if change else str(document["_id"])]
            entries.append(Entry(str(document["conversationId"]), document["seq"], change, record))
        return entries

    async def _by_id(self, message_ids: Iterable[str], waiting: Waiting) -> dict[str, MessageRecord]:
        query = {"_id": {"$in": [ObjectId(i) for i in message_ids]}}
        found = await self._messages.find(query).to_list(None)
        return {str(document["_id"]): _folded(message_record(document), waiting) for document in found}

    async def _waiting(self, conversation_ids: Iterable[str]) -> Waiting:
        """The changes that are committed but not applied yet, by their targets.

        Read before the targets: what is applied in between is then found twice, which does no harm, and
        otherwise not at all.
        """
        query = {"conversationId": {"$in": [ObjectId(i) for i in conversation_ids]}, "unapplied": True}
        waiting: dict[str, list[Change]] = {}
        async for document in self._messages.find(query).hint("unapplied"):
            change = change_record(document)
            waiting.setdefault(change.target, []).append(change)
        return waiting


def _text_bytes(document: Document) -> int:
    return len((document.get("text") or "").encode())


def _folded(record: MessageRecord, waiting: Waiting) -> MessageRecord:
    for change in waiting.get(record.id, ()):
        record = fold(record, change)
    return record
