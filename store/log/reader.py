"""Reading the log: always majority-committed, always with every change folded in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from bson import ObjectId, Timestamp
from pymongo.errors import OperationFailure

from domain.messages import MessageChange, MessageRecord, fold
from store.database import Database, Document
from store.failures import repository
from store.log.documents import MESSAGES, change_record, message_record
from store.log.heads import Heads

# An answer of short messages takes a few batches, and of texts as long as they get one is not too much to throw away.
_BATCH = 100
_ASCENDING = {"conversationId": 1, "seq": 1}
_DESCENDING = {"conversationId": -1, "seq": -1}
_A_MESSAGE: Document = {"change": {"$exists": False}}

# SnapshotTooOld, SnapshotUnavailable: the server keeps five minutes of history, and less across a change of indexes.
_NO_HISTORY = frozenset({239, 246})

Waiting = Mapping[str, Sequence[MessageChange]]


class CommitTime(NamedTuple):
    """A moment in the order of the deployment's commits: MongoDB's cluster time, in seconds and operations."""

    seconds: int
    operations: int

    def earlier(self, seconds: int) -> CommitTime:
        return CommitTime(self.seconds - seconds, 1)


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of the log; ``change`` is None for a message, ``record`` the (target) message in its present state."""

    conversation_id: str
    seq: int
    change: MessageChange | None
    record: MessageRecord


@repository
class LogReader:
    def __init__(self, database: Database) -> None:
        self._db = database.db
        self._messages = database.collection(MESSAGES)
        self._db = database.db
        self._heads = Heads(database)

    async def commit_time(self) -> CommitTime:
        """Everything that a majority has committed by then is seen by every later read, and nothing else was
        committed before."""
        reply = await self._db.command(
            {
                "find": MESSAGES,
                "filter": {},
                "projection": {"_id": 1},
                "limit": 1,
                "readConcern": {"level": "snapshot"},
            }
        )
        at = reply["cursor"]["atClusterTime"]
        return CommitTime(at.time, at.inc)

    async def head_at(self, conversation_id: str, at: CommitTime) -> int | None:
        """The conversation's head as it was committed at that moment; nothing when the history is gone."""
        try:
            reply = await self._db.command(
                {
                    "find": MESSAGES,
                    "filter": {"conversationId": ObjectId(conversation_id)},
                    "sort": {"conversationId": -1, "seq": -1},
                    "projection": {"_id": 0, "seq": 1},
                    "limit": 1,
                    "readConcern": {"level": "snapshot", "atClusterTime": Timestamp(at.seconds, at.operations)},
                }
            )
        except OperationFailure as error:
            if error.code in _NO_HISTORY:
                return None
            raise
        found = reply["cursor"]["firstBatch"]
        return int(found[0]["seq"]) if found else 0

    async def heads(self, conversation_ids: Iterable[str]) -> dict[str, int]:
        """The head of each conversation named, 0 where nothing was said yet."""
        ids = list(conversation_ids)
        heads = await self._heads.of([ObjectId(i) for i in ids]) if ids else {}
        return {i: heads.get(ObjectId(i), 0) for i in ids}

    async def message(self, message_id: str) -> MessageRecord | None:
        found = await self._messages.find_one({"_id": ObjectId(message_id), "change": {"$exists": False}})
        if found is None:
            return None
        record = message_record(found)
        return _folded(record, await self._waiting([record.conversation_id]))

    async def standing(self, conversation_id: str, sender_id: str, limit: int) -> list[MessageRecord]:
        """Messages of one side that were not deleted, in no order."""
        theirs: Document = {
            "conversationId": ObjectId(conversation_id), "senderId": ObjectId(sender_id),
            "clientMessageId": {"$exists": True}, "kind": "text", "deletedAt": None, **_A_MESSAGE,
        }  # fmt: skip
        waiting = await self._waiting([conversation_id])
        found = await self._messages.find(theirs).limit(limit).to_list(None)
        records = [_folded(message_record(one), waiting) for one in found]
        return [record for record in records if record.deleted_at is None]

    async def has_sent(self, record: MessageRecord) -> bool:
        """Whether the sender has a message under this ``clientMessageId``."""
        key = {
            "conversationId": ObjectId(record.conversation_id),
            "senderId": ObjectId(record.sender_id),
            "clientMessageId": record.client_message_id,
        }
        return await self._messages.find_one(key, {"_id": 1}) is not None

    async def change_under(self, conversation_id: str, sender_id: str, command_key: str) -> MessageChange | None:
        """The change that the sender made under a key."""
        sent = {"conversationId": ObjectId(conversation_id), "senderId": ObjectId(sender_id)}
        # Earlier versions kept it in the other field.
        fields = ("commandKey", "clientMessageId")
        found = await self._messages.find_one({"$or": [{**sent, field: command_key} for field in fields]})
        return change_record(found) if found and "change" in found else None

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

    async def after(self, conversation_id: str, after_seq: int, limit: int) -> list[MessageRecord]:
        """The ``limit`` messages after a ``seq``, ascending."""
        after = {"$gt": after_seq}
        query: Document = {"conversationId": ObjectId(conversation_id), "seq": after, "change": {"$exists": False}}
        waiting = await self._waiting([conversation_id])
        found = await self._messages.find(query).sort("seq", 1).limit(limit).to_list(None)
        return [_folded(message_record(document), waiting) for document in found]

    async def newest(
        self,
        heads: Mapping[str, int],
        limit: int,
        enough: Callable[[Sequence[MessageRecord]], bool] = lambda _: False,
    ) -> dict[str, list[MessageRecord]]:
        """Of each conversation the ``limit`` newest messages up to its head, ascending; one read for all of them.

        The conversations come in the order in which they are named. ``enough`` is called with each one's messages: once
        it is true, those after it are left out.
        """
        newest: dict[str, list[MessageRecord]] = {}
        if not heads:
            return newest
        waiting = await self._waiting(heads)
        spans = {i: (0, head) for i, head in heads.items()}
        of_each: list[Document] = [{"$sort": _DESCENDING}, {"$limit": limit}]
        cursor = self._db.aggregate(_in_each(spans, _A_MESSAGE, of_each, keep_empty=True), batchSize=_BATCH)
        last: list[MessageRecord] | None = None
        try:
            async for row in cursor:
                conversation_id = str(row["_id"])
                if conversation_id not in newest:
                    if last is not None and enough(last):
                        break
                    last = newest[conversation_id] = []
                if "entry" in row:
                    newest[conversation_id].insert(0, _folded(message_record(row["entry"]), waiting))
        finally:
            await cursor.close()
        return newest

    async def between(
        self, spans: Mapping[str, tuple[int, int]], limit: int, text_bytes: int | None = None
    ) -> list[Entry]:
        """At most ``limit`` entries past each span's start, up to and including its end, in order of ``seq``.

        No more are read once their texts reach ``text_bytes``.
        """
        if not spans:
            return []
        past: list[Document] = []
        waiting = await self._waiting(spans)
        of_each: list[Document] = [{"$sort": _ASCENDING}, {"$limit": limit}]
        cursor = self._db.aggregate([*_in_each(spans, {}, of_each), {"$limit": limit}], batchSize=_BATCH)
        try:
            async for row in cursor:
                past.append(row["entry"])
                if text_bytes is not None:
                    text_bytes -= _text_bytes(row["entry"])
                    if text_bytes <= 0:
                        break
        finally:
            await cursor.close()
        return await self._entries(past, waiting)

    async def unread(self, spans: Mapping[str, tuple[int, int]], user_id: str, cap: int) -> dict[str, int]:
        """The other side's undeleted messages past each span's start, to its end, counted up to ``cap``."""
        if not spans:
            return {}
        waiting = await self._waiting(spans)
        deleted = [ObjectId(i) for i, changes in waiting.items() if any(c.kind == "delete" for c in changes)]
        condition: Document = {**_A_MESSAGE, "senderId": {"$ne": ObjectId(user_id)}, "deletedAt": {"$exists": False}}
        if deleted:
            condition["_id"] = {"$nin": deleted}
        counts = dict.fromkeys(spans, 0)
        async for row in self._db.aggregate(_in_each(spans, condition, [{"$limit": cap}, {"$count": "count"}])):
            counts[str(row["_id"])] = row["entry"]["count"]
        return counts

    async def unapplied(self, conversation_ids: Iterable[str]) -> Waiting:
        """The changes of these conversations that their targets do not show yet, by target."""
        return await self._waiting(conversation_ids)

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
        waiting: dict[str, list[MessageChange]] = {}
        async for document in self._messages.find(query).hint("unapplied"):
            change = change_record(document)
            waiting.setdefault(change.target, []).append(change)
        return waiting


def _in_each(
    spans: Mapping[str, tuple[int, int]], condition: Document, stages: Sequence[Document], *, keep_empty: bool = False
) -> list[Document]:
    """A pipeline on the database: what the stages make of each span's entries, one span after the other, as ``entry``.

    A command a conversation would be hundreds for one ``sync``. The server reads as much as is asked for: nothing
    here waits for all of it.
    """
    named = [{"_id": ObjectId(i), "start": start, "end": end} for i, (start, end) in spans.items()]
    within = {
        "$and": [
            {"$eq": ["$conversationId", "$$id"]},
            {"$gt": ["$seq", "$$start"]},
            {"$lte": ["$seq", "$$end"]},
        ]
    }
    look_up = {
        "from": MESSAGES,
        "let": {"id": "$_id", "start": "$start", "end": "$end"},
        "pipeline": [{"$match": {"$expr": within, **condition}}, *stages],
        "as": "entry",
    }
    return [
        {"$documents": named},
        {"$lookup": look_up},
        {"$unwind": {"path": "$entry", "preserveNullAndEmptyArrays": keep_empty}},
    ]


def _text_bytes(document: Document) -> int:
    return len((document.get("text") or "").encode())


def _folded(record: MessageRecord, waiting: Waiting) -> MessageRecord:
    for change in waiting.get(record.id, ()):
        record = fold(record, change)
    return record
