"""Entries made by hand, for tests of the log itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bson import ObjectId

from domain.messages import ChangeKind, MessageChange, MessageRecord, body_digest
from domain.times import whole_milliseconds
from store.database import Database, Document
from store.log.documents import MESSAGES, change_document
from store.log.log import AppendedChange, Log


@dataclass(frozen=True)
class Sent:
    """``fresh`` is false for a repeat, which is answered with what was stored first."""

    record: MessageRecord
    fresh: bool


def new_id() -> str:
    return str(ObjectId())


def now() -> datetime:
    return whole_milliseconds(datetime.now(UTC))


def a_message(conversation_id: str, sender_id: str, key: str | None, text: str = "hello") -> MessageRecord:
    at = now()
    return MessageRecord(
        id=new_id(),
        conversation_id=conversation_id,
        sender_id=sender_id,
        client_message_id=key,
        text=text,
        digest=body_digest(text, ((), (), ()), None),
        created_at=at,
        updated_at=at,
    )


def a_change(
    target: MessageRecord,
    kind: ChangeKind,
    *,
    seq: int = 0,
    by: str | None = None,
    text: str | None = None,
    emoji: str | None = None,
    remove: bool = False,
    at: datetime | None = None,
) -> MessageChange:
    return MessageChange(
        id=new_id(),
        conversation_id=target.conversation_id,
        sender_id=by or target.sender_id,
        kind=kind,
        target=target.id,
        seq=seq,
        text=text,
        emoji=emoji,
        remove=remove,
        created_at=at or now(),
    )


async def write(log: Log, record: MessageRecord) -> MessageRecord:
    """Append a message; answers it as stored."""
    return (await send(log, record)).record


async def send(log: Log, record: MessageRecord) -> Sent:
    answer = await log.append_message(record, lambda stored: Sent(stored, True))
    return answer if isinstance(answer, Sent) else Sent(answer, False)


async def apply(log: Log, change: MessageChange) -> AppendedChange:
    return await log.append_change(change, lambda _: None)


async def abandon(database: Database, change: MessageChange) -> Document:
    """Store a change as a node does that dies before it can apply it."""
    document = change_document(change)
    await database.collection(MESSAGES).insert_one(document)
    return document


async def entries(database: Database, conversation_id: str) -> list[dict[str, Any]]:
    """Everything the log holds of a conversation, by ``seq``."""
    found = database.collection(MESSAGES).find({"conversationId": ObjectId(conversation_id)}).sort("seq", 1)
    return await found.to_list(None)


async def numbers(database: Database, conversation_id: str) -> list[int]:
    return [entry["seq"] for entry in await entries(database, conversation_id)]


def upto(last: int) -> list[int]:
    return [*range(1, last + 1)]


def keys(documents: Sequence[dict[str, Any]]) -> list[str]:
    return [document["clientMessageId"] for document in documents]
