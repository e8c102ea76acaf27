"""The log as handlers see it: append entries, read them back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import msgspec
from bson import ObjectId

from domain.errors import Code, DomainError
from domain.messages import MessageChange, MessageRecord
from store.database import Database
from store.log.appender import Appender
from store.log.changes import Changes
from store.log.conversation_queue import Appended
from store.log.documents import change_document, change_record, message_document, message_record, shared_id
from store.log.projections import Projections
from store.log.reader import LogReader
from store.log.search import MessageSearch
from store.work_queue import WorkRow

A = TypeVar("A")


@dataclass(frozen=True, slots=True)
class AppendedChange:
    """A change's own place in the log, and its target's present state."""

    seq: int
    target: MessageRecord


class Log:
    def __init__(self, database: Database) -> None:
        self.read = LogReader(database)
        self.search = MessageSearch(database, self.read)
        self.changes = Changes(database)
        self.projections = Projections(database)
        self.appender = Appender(database, self.changes.apply, self.projections.note, self.projections.begin)

    @staticmethod
    def new_id() -> str:
        return str(ObjectId())

    def append_message(
        self, record: MessageRecord, on_committed: Callable[[MessageRecord], A]
    ) -> Awaitable[A | MessageRecord]:
        """Store a message under the next ``seq``; submitted at once.

        ``on_committed`` is called on commit, in the order of ``seq``; awaiting answers what it made of the stored
        message. For a repeat it is not called, and the first message is answered instead. Raises
        ``idempotency_conflict`` when that had another body, ``unavailable`` when the outcome is unknown.
        """
        results: list[A] = []

        def committed(appended: Appended) -> None:
            results.append(on_committed(msgspec.structs.replace(record, seq=appended.document["seq"])))

        appending = self.appender.append(message_document(record), committed)
        return self._message(record, appending, results)

    def append_change(
        self, change: MessageChange, on_committed: Callable[[AppendedChange], None]
    ) -> Awaitable[AppendedChange]:
        """Store a change under the next ``seq`` and apply it to its target; otherwise as ``append_message``.

        A repeat, and whoever makes the same of the same state, is answered the target as it now stands.
        """

        def committed(appended: Appended) -> None:
            on_committed(_applied(appended))

        return self._change(change, self.appender.append(change_document(change), committed))

    def known_head(self, conversation_id: str) -> int:
        """The head as last seen by this process, without looking: a lower bound."""
        return self.appender.known_head(shared_id(conversation_id))

    def received(self, conversation_id: str, seq: int) -> None:
        """Another node has committed this entry: the next one written here comes after it."""
        self.appender.received(shared_id(conversation_id), seq)

    async def _message(
        self, record: MessageRecord, appending: Awaitable[Appended], results: list[A]
    ) -> A | MessageRecord:
        appended = await appending
        if appended.fresh:
            return results[0]
        # As readers see it: a change of it may be stored and not applied yet.
        first = await self.read.message(str(appended.document["_id"])) or message_record(appended.document)
        if first.digest is not None and first.digest != record.digest:
            raise DomainError(
                Code.IDEMPOTENCY_CONFLICT, "Another message was sent under this clientMessageId before."
            )
        return first

    async def _change(self, change: MessageChange, appending: Awaitable[Appended]) -> AppendedChange:
        appended = await appending
        if appended.fresh:
            return _applied(appended)
        first = change_record(appended.document)
        if first.command_key is not None and first.command_key == change.command_key and first.digest != change.digest:
            raise DomainError(Code.IDEMPOTENCY_CONFLICT, "This key was used for another command before.")
        target = await self.read.message(first.target)
        assert target is not None, "a change names a message that its writer had read"
        return AppendedChange(first.seq, target)

    async def redrive(self, claimed: WorkRow) -> tuple[MessageChange, AppendedChange]:
        """Fold in a change that a dead node left unapplied; answers it and what became of its target. Its mark is taken
        away (``settle``) when it was published, or nobody would publish it should that fail."""
        target = await self.changes.fold(claimed.document)
        return change_record(claimed.document), AppendedChange(claimed.document["seq"], target)

    async def settle(self, claimed: WorkRow) -> None:
        """The change was published."""
        await self.changes.unmark(claimed.document)

    async def drain(self) -> None:
        await self.appender.drain()
        await self.projections.flush()

    async def stop(self) -> None:
        """What could not be drained is left to other nodes."""
        await self.appender.stop()


def _applied(appended: Appended) -> AppendedChange:
    assert appended.target is not None
    return AppendedChange(appended.document["seq"], appended.target)
