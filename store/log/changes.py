"""Applying a change entry to the message it names."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import reduce

from bson import ObjectId
from pymongo.read_concern import ReadConcern

from domain.messages import MessageChange, MessageRecord, fold
from store.database import Database, Document
from store.log.documents import ABANDONED_AFTER, MESSAGES, change_record, changed_fields, message_record
from store.work_queue import WORK, Undated, WorkQueue


class Changes:
    """Every step may be repeated, by any node: a crash between two of them is mended by doing all again."""

    def __init__(self, database: Database) -> None:
        self._messages = database.collection(MESSAGES)
        # The update below is conditional on the version read, so it wants the newest state, not the safest.
        self._newest = self._messages.with_options(read_concern=ReadConcern("local"))
        # Those whose writer seems to have died before applying them.
        self.queue = WorkQueue(
            database, MESSAGES, only={"unapplied": True}, undated=Undated("createdAt", ABANDONED_AFTER), hint="due"
        )

    async def apply(self, document: Document) -> MessageRecord:
        """Fold the change into its target, then take its mark away; returns the target's present state."""
        target = await self.fold(document)
        await self.unmark(document)
        return target

    async def fold(self, document: Document) -> MessageRecord:
        """Fold the change into its target, which is returned in its present state; the mark stays."""
        change = change_record(document)
        target = await self._fold(change.target, [*await self._earlier(change), change])
        if target.deleted_at is not None:
            await self._scrub(change.target)
        return target

    async def unmark(self, document: Document) -> None:
        """The change is applied, and nobody need do so again."""
        await self._messages.update_one({"_id": document["_id"]}, {"$unset": {"unapplied": "", "dueAt": "", WORK: ""}})

    async def _earlier(self, change: MessageChange) -> list[MessageChange]:
        """What other nodes have stored and not applied yet: a message changes in the order of the log."""
        query = {
            "conversationId": ObjectId(change.conversation_id),
            "seq": {"$lt": change.seq},
            "unapplied": True,
            "target": ObjectId(change.target),
        }
        found = await self._newest.find(query).hint("unapplied").sort("seq", 1).to_list(None)
        return [change_record(document) for document in found]

    async def _fold(self, target: str, changes: Sequence[MessageChange]) -> MessageRecord:
        while True:
            found = await self._newest.find_one({"_id": ObjectId(target)})
            assert found is not None, "a change names a message that its writer had read"
            record = message_record(found)
            changed = reduce(fold, changes, record)
            if changed is record:
                return record
            result = await self._messages.update_one(
                {"_id": found["_id"], "version": record.version or {"$exists": False}}, changed_fields(changed)
            )
            if result.matched_count:
                return changed
            await asyncio.sleep(0)

    async def _scrub(self, target: str) -> None:
        """What was deleted must not survive in the log as the text of an earlier edit."""
        await self._messages.update_many(
            {"target": ObjectId(target), "change": "edit", "text": {"$exists": True}}, {"$unset": {"text": ""}}
        )
