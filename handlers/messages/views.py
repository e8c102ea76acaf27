"""Records assembled into what one participant sees: conversations with their people, messages with ``seen``."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from domain.conversations import (
    UNREAD_CAP,
    Conversation,
    ConversationRecord,
    Membership,
    Participant,
    ParticipantRecord,
    UserSummary,
    state_of,
)
from domain.files import StoredFile
from domain.messages import Message, MessageRecord, to_message
from domain.times import to_wire, to_wire_or_none
from handlers.context import ReadContext
from handlers.files.access import attachments, url_or_none

Participants = Mapping[str, Sequence[ParticipantRecord]]
Files = Mapping[str, StoredFile]
NO_FILES: Files = {}


@dataclass(frozen=True, slots=True)
class Sides:
    """Who takes part in conversations: their watermarks, by conversation, and who they are, by user."""

    participants: Participants
    cards: Mapping[str, UserSummary]

    def state(self, viewer_id: str, conversation_id: str) -> str:
        return state_of(viewer_id, self.participants.get(conversation_id, ()), self.cards)


async def sides(context: ReadContext, members: Iterable[Membership]) -> Sides:
    known = list(members)
    people = {user_id for member in known for user_id in member.user_ids}
    participants, cards = await asyncio.gather(
        context.store.conversations.participants([member.conversation_id for member in known]),
        context.store.people.cards(people),
    )
    return Sides(participants, cards)


async def conversation_views(
    context: ReadContext,
    viewer_id: str,
    records: Sequence[ConversationRecord],
    heads: Mapping[str, int] | None = None,
    both: Sides | None = None,
) -> list[Conversation]:
    """The conversations as the viewer sees them, heads and last messages taken from the log itself."""
    if not records:
        return []
    ids = [record.membership.conversation_id for record in records]
    if both is None:
        both = await sides(context, [record.membership for record in records])
    if heads is None:
        heads = await context.store.log.read.heads(ids)
    participants, heads = {i: both.participants.get(i, ()) for i in ids}, {i: heads[i] for i in ids}
    lasts = await _last_messages(context, records, heads)
    unread = await unread_counts(context, viewer_id, participants, heads)
    files = await files_of(context, lasts.values())
    return [
        _view(context, viewer_id, record, participants, both.cards, heads, lasts, unread, files) for record in records
    ]


async def empty_views(context: ReadContext, conversation_id: str) -> dict[str, Conversation]:
    """A conversation as each of the two saw it before its first entry, whatever was said since; by their ids."""
    records, participants = await asyncio.gather(
        context.store.conversations.records([conversation_id]),
        context.store.conversations.participants([conversation_id]),
    )
    found, nothing = records[conversation_id], {conversation_id: 0}
    record = msgspec.structs.replace(found, head=0, last_message=None, updated_at=found.created_at)
    unread = [msgspec.structs.replace(one, seen_seq=0, delivered_seq=0) for one in participants[conversation_id]]
    both, people = record.membership.user_ids, {conversation_id: unread}
    cards = await context.store.people.cards(both)
    return {one: _view(context, one, record, people, cards, nothing, {}, nothing, NO_FILES) for one in both}


def _view(
    context: ReadContext,
    viewer_id: str,
    record: ConversationRecord,
    participants: Participants,
    cards: Mapping[str, UserSummary],
    heads: Mapping[str, int],
    lasts: Mapping[str, MessageRecord],
    unread: Mapping[str, int],
    files: Files,
) -> Conversation:
    conversation_id = record.membership.conversation_id
    people = participants.get(conversation_id, ())
    last = lasts.get(conversation_id)
    muted_until = next((p.muted_until for p in people if p.user_id == viewer_id), None)
    return Conversation(
        id=conversation_id,
        participants=tuple(_participant(context, p, cards[p.user_id]) for p in people if p.user_id in cards),
        last_message=None if last is None else seen_message(context, last, people, files),
        head=heads[conversation_id],
        unread=unread.get(conversation_id, 0),
        muted_until=to_wire_or_none(muted_until),
        created_at=to_wire(record.created_at),
        updated_at=to_wire(max(record.updated_at, last.created_at) if last else record.updated_at),
    )


def _participant(context: ReadContext, record: ParticipantRecord, card: UserSummary) -> Participant:
    return Participant(
        id=record.id,
        user_id=record.user_id,
        role=card.role,
        profile_id=card.profile_id,
        name=card.name,
        profile_image=url_or_none(context, card.profile_image),
        seen_seq=record.seen_seq,
        delivered_seq=record.delivered_seq,
    )


async def files_of(context: ReadContext, records: Iterable[MessageRecord]) -> Files:
    """What messages have attached, by its id; without a look-up where nothing is."""
    ids = {one for record in records for one in (*record.image_urls, *record.video_urls, *record.pdf_urls)}
    return await context.store.files.by_ids(ids) if ids else NO_FILES


def seen_message(
    context: ReadContext, record: MessageRecord, participants: Iterable[ParticipantRecord], files: Files
) -> Message:
    """A message with `seen` derived from the other side's watermark."""
    seen = any(p.user_id != record.sender_id and p.seen_seq >= record.seq for p in participants)
    return message_view(context, record, files, seen=seen)


def message_view(context: ReadContext, record: MessageRecord, files: Files, *, seen: bool) -> Message:
    """The record on the wire, its files as URLs and as objects."""
    message = to_message(record, seen=seen)
    if not (record.image_urls or record.video_urls or record.pdf_urls):
        return message
    signed = context.files.signed
    return msgspec.structs.replace(
        message,
        image_urls=tuple(map(signed, record.image_urls)),
        video_urls=tuple(map(signed, record.video_urls)),
        pdf_urls=tuple(map(signed, record.pdf_urls)),
        attachments=attachments(
            context,
            files,
            (("imageUrls", record.image_urls), ("videoUrls", record.video_urls), ("pdfUrls", record.pdf_urls)),
        ),
    )


def caught_up(context: ReadContext, participants: Iterable[ParticipantRecord]) -> list[ParticipantRecord]:
    """The participants with what they have read since they were loaded."""
    known = context.store.watermarks.known
    return [msgspec.structs.replace(p, seen_seq=max(p.seen_seq, known(p.id).seen)) for p in participants]


async def seen_messages(context: ReadContext, records: Sequence[MessageRecord]) -> list[Message]:
    participants, files = await asyncio.gather(
        context.store.conversations.participants({record.conversation_id for record in records}),
        files_of(context, records),
    )
    return [seen_message(context, record, participants.get(record.conversation_id, ()), files) for record in records]


async def _last_messages(
    context: ReadContext, records: Sequence[ConversationRecord], heads: Mapping[str, int]
) -> dict[str, MessageRecord]:
    """The projection names the last message. Unless that is the log's last entry, the log is asked.

    Not even a projection at the head will do: the head may be another node's, which has a change.
    """
    read = context.store.log.read
    named = {
        record.last_message: record.membership.conversation_id
        for record in records
        if record.last_message is not None and record.head == heads[record.membership.conversation_id]
    }
    found = await read.messages(named, named.values())
    lasts = {m.conversation_id: m for m in found.values() if m.seq == heads[m.conversation_id]}
    behind = {i: head for i, head in heads.items() if head > 0 and i not in lasts}
    newest = await read.newest(behind, 1)
    return lasts | {i: records[0] for i, records in newest.items() if records}


async def unread_counts(
    context: ReadContext, viewer_id: str, participants: Participants, heads: Mapping[str, int]
) -> dict[str, int]:
    """Counted only where the log goes on past what the viewer has seen."""
    behind = {
        conversation_id: (p.seen_seq, heads[conversation_id])
        for conversation_id, people in participants.items()
        for p in people
        if p.user_id == viewer_id and heads[conversation_id] > p.seen_seq
    }
    return await context.store.log.read.unread(behind, viewer_id, UNREAD_CAP)
