"""Entries as MongoDB holds them. A message and a change are both documents of ``messages``; a change has ``change``."""

from __future__ import annotations

from datetime import timedelta
from functools import lru_cache
from typing import Any

from bson import ObjectId
from pymongo import ASCENDING, DESCENDING, IndexModel

from domain.booking_changes import BookingNote, version_of
from domain.messages import MessageChange, MessageRecord, ReactionMark
from domain.payments import PaymentNote
from domain.text import spelling
from store.database import CollectionSchema, Document
from store.work_queue import work_indexes

MESSAGES = "messages"
# Of which the log brings a part up to date.
CONVERSATIONS = "conversations"
# A node that lives applies its changes within the appender's timeout.
ABANDONED_AFTER = timedelta(seconds=30)
SAYING = "saying"
SAYS_SOMETHING: Document = {"text": {"$type": "string"}}

SCHEMA = CollectionSchema(
    MESSAGES,
    (
        # First made, so that an insert that violates both is reported as a repeat and not as a lost race.
        IndexModel(
            [("conversationId", ASCENDING), ("senderId", ASCENDING), ("clientMessageId", ASCENDING)],
            name="repeat",
            unique=True,
            partialFilterExpression={"clientMessageId": {"$exists": True}},
        ),
        # Of changes whose command had a key.
        IndexModel(
            [("conversationId", ASCENDING), ("senderId", ASCENDING), ("commandKey", ASCENDING)],
            name="command",
            unique=True,
            partialFilterExpression={"commandKey": {"$exists": True}},
        ),
        IndexModel([("conversationId", ASCENDING), ("seq", ASCENDING)], name="sequencer", unique=True),
        IndexModel(
            [("conversationId", ASCENDING), ("seq", ASCENDING)],
            name="unapplied",
            partialFilterExpression={"unapplied": True},
        ),
        IndexModel(
            [("target", ASCENDING), ("seq", DESCENDING)],
            name="target",
            partialFilterExpression={"target": {"$exists": True}},
        ),
        # What may be searched, from the newest back.
        IndexModel(
            [("conversationId", ASCENDING), ("_id", DESCENDING)], name=SAYING, partialFilterExpression=SAYS_SOMETHING
        ),
        *work_indexes(only={"unapplied": True}),
    ),
)


@lru_cache(maxsize=16_384)
def shared_id(text: str) -> ObjectId:
    """Of a conversation or a user, whose ids come with every message: one object for each, found by identity."""
    return ObjectId(text)


def message_document(record: MessageRecord) -> Document:
    """A new message; what is empty is left out, since the log is mostly plain text."""
    document: Document = {
        "_id": ObjectId(record.id),
        "conversationId": shared_id(record.conversation_id),
        "senderId": shared_id(record.sender_id),
        "seq": record.seq,
        "kind": record.kind,
        "text": record.text,
        "createdAt": record.created_at,
        "updatedAt": record.updated_at,
    }
    if record.client_message_id is not None:
        document["clientMessageId"] = record.client_message_id
    if record.digest is not None:
        document["digest"] = record.digest
    if record.text is not None:
        document["spelling"] = spelling(record.text)
    for field, ids in _attachments(record):
        if ids:
            document[field] = list(ids)
    if record.reply_to is not None:
        document["replyTo"] = ObjectId(record.reply_to)
    if record.booking is not None:
        document["booking"] = _note_document(record.booking)
    if record.payment is not None:
        document["payment"] = _payment_document(record.payment)
    return document


def _note_document(note: BookingNote) -> Document:
    document = {
        "id": ObjectId(note.id),
        "action": note.action,
        "version": note.version,
        "startsAt": note.starts_at,
        "endsAt": note.ends_at,
        "status": note.status,
    }
    if note.previous_starts_at is not None:
        document["previousStartsAt"] = note.previous_starts_at
    return document


def _payment_document(note: PaymentNote) -> Document:
    return {
        "purchaseId": ObjectId(note.purchase_id),
        "action": note.action,
        "credits": note.credits,
        "amount": note.amount,
        "currency": note.currency,
    }


def _payment(document: Document) -> PaymentNote:
    return PaymentNote(
        purchase_id=str(document["purchaseId"]),
        action=document["action"],
        credits=document["credits"],
        amount=document["amount"],
        currency=document["currency"],
    )


def _note(entry: Document) -> BookingNote:
    document = entry["booking"]
    return BookingNote(
        id=str(document["id"]),
        action=document["action"],
        # Entries that an earlier version of this program wrote have it in their key alone.
        version=document["version"] if "version" in document else version_of(entry["clientMessageId"]),
        starts_at=document["startsAt"],
        ends_at=document["endsAt"],
        previous_starts_at=document.get("previousStartsAt"),
        status=document["status"],
    )


def _attachments(record: MessageRecord) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return (("imageUrls", record.image_urls), ("videoUrls", record.video_urls), ("pdfUrls", record.pdf_urls))


def message_record(document: Document) -> MessageRecord:
    reply_to = document.get("replyTo")
    return MessageRecord(
        id=str(document["_id"]),
        conversation_id=str(document["conversationId"]),
        sender_id=str(document["senderId"]),
        kind=document["kind"],
        seq=document["seq"],
        client_message_id=document.get("clientMessageId"),
        text=document.get("text"),
        image_urls=tuple(document.get("imageUrls", ())),
        video_urls=tuple(document.get("videoUrls", ())),
        pdf_urls=tuple(document.get("pdfUrls", ())),
        reply_to=None if reply_to is None else str(reply_to),
        booking=_note(document) if "booking" in document else None,
        payment=_payment(document["payment"]) if "payment" in document else None,
        digest=document.get("digest"),
        marks=tuple(_mark(mark) for mark in document.get("reactions", ())),
        edit_seq=document.get("editSeq", 0),
        edited_at=document.get("editedAt"),
        deleted_at=document.get("deletedAt"),
        created_at=document["createdAt"],
        updated_at=document["updatedAt"],
        version=document.get("version", 0),
    )


def _mark(document: Document) -> ReactionMark:
    return ReactionMark(document["emoji"], str(document["userId"]), document["seq"], document["on"])


def spelled_of(document: Document) -> str:
    """The spelling of a message's text; earlier versions stored none, and changed the text alone."""
    stored: str | None = document.get("spelling")
    if stored is None or document.get("spellingSeq", 0) != document.get("editSeq", 0):
        return spelling(document.get("text") or "")
    return stored


def changed_fields(record: MessageRecord) -> Document:
    """What a change may have altered, as an update: ``$set`` and, for what is gone, ``$unset``."""
    values: dict[str, Any] = {
        "text": record.text,
        "updatedAt": record.updated_at,
        "version": record.version + 1,
    }
    gone: dict[str, str] = {}
    if record.marks:
        values["reactions"] = [
            {"emoji": m.emoji, "userId": ObjectId(m.user_id), "seq": m.seq, "on": m.on} for m in record.marks
        ]
    else:
        gone["reactions"] = ""
    if record.edited_at is not None:
        values["editSeq"], values["editedAt"] = record.edit_seq, record.edited_at
    if record.text is None:
        gone |= {"spelling": "", "spellingSeq": ""}
    else:
        values["spelling"], values["spellingSeq"] = spelling(record.text), record.edit_seq
    if record.deleted_at is not None:
        values["deletedAt"] = record.deleted_at
        gone |= {"imageUrls": "", "videoUrls": "", "pdfUrls": ""}
    return {"$set": values, "$unset": gone} if gone else {"$set": values}


def change_document(change: MessageChange) -> Document:
    """A new change, marked until it is applied to its target."""
    document: Document = {
        "_id": ObjectId(change.id),
        "conversationId": shared_id(change.conversation_id),
        "senderId": shared_id(change.sender_id),
        "seq": change.seq,
        "change": change.kind,
        "target": ObjectId(change.target),
        "unapplied": True,
        "createdAt": change.created_at,
        "dueAt": change.created_at + ABANDONED_AFTER,
    }
    if change.kind == "edit":
        document["text"] = change.text
    elif change.kind == "reaction":
        document["emoji"], document["remove"] = change.emoji, change.remove
    if change.client_message_id is not None:
        document["clientMessageId"] = change.client_message_id
    if change.command_key is not None:
        document["commandKey"] = change.command_key
    if change.digest is not None:
        document["digest"] = change.digest
    return document


def change_record(document: Document) -> MessageChange:
    return MessageChange(
        id=str(document["_id"]),
        conversation_id=str(document["conversationId"]),
        sender_id=str(document["senderId"]),
        kind=document["change"],
        target=str(document["target"]),
        seq=document["seq"],
        text=document.get("text"),
        emoji=document.get("emoji"),
        remove=document.get("remove", False),
        client_message_id=document.get("clientMessageId"),
        command_key=document.get("commandKey"),
        digest=document.get("digest"),
        created_at=document["createdAt"],
    )
