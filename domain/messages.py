"""Messages and the changes made to them; folding a change is one pure function, whatever the order of arrival."""

from __future__ import annotations

from datetime import datetime
from hashlib import blake2b
from typing import Literal

import msgspec

from domain.booking_changes import BookingEntry, BookingNote, to_entry
from domain.characters import is_blank
from domain.emojis import fully_qualified, same_emoji
from domain.errors import Code, DomainError, invalid
from domain.files import AttachedFile
from domain.payments import PaymentEntry, PaymentNote
from domain.payments import to_entry as to_payment_entry
from domain.times import to_wire, to_wire_or_none

Kind = Literal["text", "booking", "payment"]
ChangeKind = Literal["edit", "delete", "reaction"]

MAX_ATTACHMENTS = 10
# One person's different emojis on one message; the list of reactions cannot grow without end.
MAX_REACTIONS_PER_USER = 20


class ReactionMark(msgspec.Struct, frozen=True):
    """Whether one user's emoji is on a message, as of the change ``seq``; a removal is kept, switched off."""

    emoji: str
    user_id: str
    seq: int
    on: bool


class MessageRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A message as the log holds it."""

    id: str
    conversation_id: str
    sender_id: str
    kind: Kind = "text"
    seq: int = 0
    client_message_id: str | None = None
    text: str | None = None
    image_urls: tuple[str, ...] = ()
    video_urls: tuple[str, ...] = ()
    pdf_urls: tuple[str, ...] = ()
    reply_to: str | None = None
    booking: BookingNote | None = None
    payment: PaymentNote | None = None
    digest: bytes | None = None
    marks: tuple[ReactionMark, ...] = ()
    edit_seq: int = 0
    edited_at: datetime | None = None
    deleted_at: datetime | None = None
    created_at: datetime
    updated_at: datetime
    version: int = 0


class MessageChange(msgspec.Struct, frozen=True, kw_only=True):
    """An edit, deletion or reaction: an entry of the log that names its target.

    ``client_message_id`` names the state that it changes (``change_key``). ``command_key`` and ``digest``: of a command
    with a key, which a repeat finds it by and is compared with.
    """

    id: str
    conversation_id: str
    sender_id: str
    kind: ChangeKind
    target: str
    seq: int = 0
    text: str | None = None
    emoji: str | None = None
    remove: bool = False
    client_message_id: str | None = None
    command_key: str | None = None
    digest: bytes | None = None
    created_at: datetime


class Reaction(msgspec.Struct, frozen=True, rename="camel"):
    emoji: str
    user_ids: tuple[str, ...]


class Message(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A message on the wire; ``booking`` and ``payment`` are there with the kinds of those names.

    ``attachments``: the files of the URLs.
    """

    id: str
    conversation_id: str
    sender_id: str
    kind: Kind
    seq: int
    client_message_id: str | None
    text: str | None
    image_urls: tuple[str, ...]
    video_urls: tuple[str, ...]
    pdf_urls: tuple[str, ...]
    attachments: tuple[AttachedFile, ...] = ()
    seen: bool
    reply_to: str | None
    reactions: tuple[Reaction, ...]
    edited_at: str | None
    deleted_at: str | None
    created_at: str
    updated_at: str
    booking: BookingEntry | msgspec.UnsetType = msgspec.UNSET
    payment: PaymentEntry | msgspec.UnsetType = msgspec.UNSET


def to_message(record: MessageRecord, *, seen: bool) -> Message:
    """The record as clients see it; ``seen``: the other side's watermark has reached it."""
    created_at = to_wire(record.created_at)
    return Message(
        id=record.id,
        conversation_id=record.conversation_id,
        sender_id=record.sender_id,
        kind=record.kind,
        seq=record.seq,
        client_message_id=record.client_message_id if record.kind == "text" else None,
        text=record.text,
        image_urls=record.image_urls,
        video_urls=record.video_urls,
        pdf_urls=record.pdf_urls,
        seen=seen,
        reply_to=record.reply_to,
        reactions=_reactions(record.marks) if record.marks else (),
        edited_at=to_wire_or_none(record.edited_at),
        deleted_at=to_wire_or_none(record.deleted_at),
        created_at=created_at,
        updated_at=created_at if record.updated_at is record.created_at else to_wire(record.updated_at),
        booking=msgspec.UNSET if record.booking is None else to_entry(record.booking),
        payment=msgspec.UNSET if record.payment is None else to_payment_entry(record.payment),
    )


def _reactions(marks: tuple[ReactionMark, ...]) -> tuple[Reaction, ...]:
    """Who reacted with what, in the order in which each emoji and each user came."""
    users: dict[str, dict[str, None]] = {}
    for mark in sorted((mark for mark in marks if mark.on), key=lambda mark: mark.seq):
        # Earlier versions stored what a device wrote: one user's two spellings of an emoji are one reaction.
        users.setdefault(same_emoji(mark.emoji), {})[mark.user_id] = None
    return tuple(Reaction(emoji, tuple(ids)) for emoji, ids in users.items())


def effect_key(effect: str) -> str:
    """The ``clientMessageId`` of what the server itself appends: no client can send one that begins like it."""
    return f"\x1f{effect}"


def body_digest(
    text: str | None,
    attachments: tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]],
    reply_to: str | None,
) -> bytes:
    """What a repeated ``clientMessageId`` is compared by, since the text itself may be edited later."""
    if not reply_to and attachments == ((), (), ()):
        return blake2b((text or "").encode(), digest_size=12).digest()
    body = msgspec.json.encode((text, attachments, reply_to))
    return blake2b(body, digest_size=12, person=b"with-files").digest()


def check_body(text: str | None, attachments: int) -> None:
    """A message says something; raises ``validation_failed``."""
    if attachments > MAX_ATTACHMENTS:
        raise invalid("imageUrls", f"has to leave the message with at most {MAX_ATTACHMENTS} attachments in all")
    if attachments == 0 and (text is None or is_blank(text)):
        raise invalid("text", "a message needs text that shows something, or an attachment")


def shown(text: str | None) -> str | None:
    """What stands beside attachments: nothing, where the text shows nothing."""
    return None if text is None or is_blank(text) else text


def check_edit(record: MessageRecord, user_id: str, text: str) -> None:
    """Only the author edits, only words, only while they stand; beside attachments there may be none."""
    _check_own(record, user_id)
    if record.deleted_at is not None:
        raise DomainError(Code.CONFLICT, "The message was deleted.")
    check_body(text, len(record.image_urls + record.video_urls + record.pdf_urls))


def check_delete(record: MessageRecord, user_id: str) -> None:
    _check_own(record, user_id)


def reaction_emoji(record: MessageRecord, emoji: str, *, remove: bool) -> str:
    """The emoji as it is stored; raises ``validation_failed`` for what is not one.

    What earlier versions took for one can be taken off where it stands.
    """
    qualified = fully_qualified(emoji)
    if qualified is not None:
        return qualified
    if remove and any(mark.emoji == emoji for mark in record.marks):
        return emoji
    raise invalid("emoji", "has to be one emoji (UTS #51), like 👍")


def check_reaction(record: MessageRecord, user_id: str, emoji: str, *, remove: bool) -> None:
    if record.deleted_at is not None:
        raise DomainError(Code.CONFLICT, "The message was deleted.")
    mine = {same_emoji(mark.emoji) for mark in record.marks if mark.user_id == user_id}
    if not remove and same_emoji(emoji) not in mine and len(mine) >= MAX_REACTIONS_PER_USER:
        raise DomainError(
            Code.CONFLICT, f"At most {MAX_REACTIONS_PER_USER} different reactions of one person on a message."
        )


def _check_own(record: MessageRecord, user_id: str) -> None:
    if record.kind != "text":
        raise DomainError(Code.FORBIDDEN, "Only text messages can be changed.")
    if record.sender_id != user_id:
        raise DomainError(Code.FORBIDDEN, "Only its author may change a message.")


def changes_nothing(record: MessageRecord, change: MessageChange) -> bool:
    """Whether the target already is what the change would make it, so that no entry is needed."""
    if change.kind == "delete":
        return record.deleted_at is not None
    if change.kind == "edit":
        return record.text == change.text
    return any(mark.on for mark in _marks_of(record, change)) is not change.remove


def change_key(record: MessageRecord, change: MessageChange) -> str:
    """The ``clientMessageId`` under which the change is stored, so that whoever makes the same of one state of the
    message, at once or after an answer that was lost, makes one entry between them.

    It names that state by the ``seq`` that set it: there and back again are different changes.
    """
    if change.kind == "delete":
        return effect_key(f"delete:{record.id}")
    if change.kind == "edit":
        digest = blake2b((change.text or "").encode(), digest_size=12, person=b"edit").hexdigest()
        return effect_key(f"edit:{record.id}:{record.edit_seq}:{digest}")
    since = max((mark.seq for mark in _marks_of(record, change)), default=0)
    return effect_key(f"reaction:{record.id}:{since}:{change.emoji}")


def _marks_of(record: MessageRecord, change: MessageChange) -> list[ReactionMark]:
    """The sender's, of the emoji of a reaction: one, but for the spellings that earlier versions told apart."""
    emoji = same_emoji(change.emoji or "")
    return [m for m in record.marks if m.user_id == change.sender_id and same_emoji(m.emoji) == emoji]


def fold(record: MessageRecord, change: MessageChange) -> MessageRecord:
    """The record after the change.

    Folding is idempotent: each aspect keeps the highest ``seq`` that set it, and a deletion is final. What was
    said and reacted does not depend on the order; ``edited_at`` and ``updated_at`` around a deletion do, so the
    store folds in the order of the log.
    """
    if record.deleted_at is not None:
        return record
    if change.kind == "delete":
        return msgspec.structs.replace(
            record,
            text=None,
            image_urls=(),
            video_urls=(),
            pdf_urls=(),
            marks=(),
            deleted_at=change.created_at,
            updated_at=max(record.updated_at, change.created_at),
        )
    if change.kind == "edit":
        return _fold_edit(record, change)
    return _fold_reaction(record, change)


def _fold_edit(record: MessageRecord, change: MessageChange) -> MessageRecord:
    if change.seq <= record.edit_seq:
        return record
    return msgspec.structs.replace(
        record,
        text=change.text,
        edit_seq=change.seq,
        edited_at=change.created_at,
        updated_at=max(record.updated_at, change.created_at),
    )


def _fold_reaction(record: MessageRecord, change: MessageChange) -> MessageRecord:
    assert change.emoji is not None
    before = _marks_of(record, change)
    if any(mark.seq >= change.seq for mark in before):
        return record
    kept = [mark for mark in record.marks if mark not in before]
    mark = ReactionMark(change.emoji, change.sender_id, change.seq, not change.remove)
    return msgspec.structs.replace(
        record, marks=(*kept, mark), updated_at=max(record.updated_at, change.created_at)
    )
