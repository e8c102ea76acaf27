"""Opening, listing and muting conversations; receipts and typing."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec

from domain import rooms
from domain.conversations import Membership, ParticipantRecord, may_open
from domain.errors import invalid, not_found
from domain.times import from_wire, to_wire_or_none
from domain.wire.conversations import (
    ConversationAnswer,
    ConversationPage,
    CountUnread,
    ListConversations,
    MarkAllSeen,
    MarkDelivered,
    MarkSeen,
    MuteConversation,
    OpenConversation,
    SetTyping,
    UnreadAnswer,
)
from domain.wire.events import ConversationDelivered, ConversationMuted, ConversationSeen
from domain.wire.pages import InstantCursor, decode_instant_cursor, encode_cursor, take_within_size
from handlers import access
from handlers.access import Actor
from handlers.context import ConversationContext
from handlers.idempotency import idempotent
from handlers.messages import views
from store.watermarks import Marks

# "Until further notice" is an instant, so that clients need one rule only.
FOREVER = datetime(9999, 12, 31, tzinfo=UTC)


async def open_conversation(
    context: ConversationContext, actor: Actor, command: OpenConversation
) -> ConversationAnswer:
    """The conversation with a user, made if there is none; ``not_found`` for someone one may not talk to."""
    await _make_sure_of(context, actor, command)
    record = await context.store.conversations.between(actor.user_id, command.user_id)
    if record is None:
        raise not_found("user to talk to")
    (conversation,) = await views.conversation_views(context, actor.user_id, [record])
    return ConversationAnswer(conversation=conversation)


@idempotent("conversation:open")
async def _make_sure_of(context: ConversationContext, actor: Actor, command: OpenConversation) -> None:
    """Answers nothing: with a key its answer is kept, and may not keep the words of a last message."""
    if command.user_id == actor.user_id:
        raise invalid("userId", "has to be somebody else: this is yourself")
    other = await context.store.people.reachable(command.user_id)
    blocked = await context.store.user_blocks.stands_between(actor.user_id, command.user_id)
    if other is not None and may_open(actor.role, other.role) and not blocked:
        now = context.now()
        await context.store.conversations.open(actor.user_id, command.user_id, now)
    elif await context.store.conversations.between(actor.user_id, command.user_id) is None:
        raise not_found("user to talk to")


async def list_conversations(
    context: ConversationContext, actor: Actor, command: ListConversations
) -> ConversationPage:
    """The actor's conversations, newest first."""
    before = decode_instant_cursor(command.cursor)
    records = await context.store.conversations.page(actor.user_id, before, command.limit + 1)
    more = len(records) > command.limit
    records = records[: command.limit]
    items = take_within_size(await views.conversation_views(context, actor.user_id, records))
    if not more and len(items) == len(records):
        return ConversationPage(items=items, next_cursor=None)
    last = records[len(items) - 1]
    cursor = encode_cursor(InstantCursor.of(last.updated_at, last.membership.conversation_id))
    return ConversationPage(items=items, next_cursor=cursor)


@idempotent("conversation:mute")
async def mute_conversation(context: ConversationContext, actor: Actor, command: MuteConversation) -> None:
    """Keep it from notifying: until an instant, without one until further notice, with ``null`` no longer."""
    member = await access.membership(context, actor, command.conversation_id)
    if command.until is msgspec.UNSET:
        until: datetime | None = FOREVER
    else:
        until = None if command.until is None else from_wire(str(command.until), "until")
        if until is not None and until <= context.now():
            raise invalid("until", "has to be an instant to come; null unmutes")
    if await context.store.conversations.mute(member.participant_of(actor.user_id), until, context.now()):
        muted = ConversationMuted(conversation_id=member.conversation_id, muted_until=to_wire_or_none(until))
        context.publisher.publish(muted, rooms.user(actor.user_id))


async def count_unread(context: ConversationContext, actor: Actor, command: CountUnread) -> UnreadAnswer:
    """Over all of the actor's conversations; of each at most 100 count."""
    heads, mine = await _unread(context, actor)
    counts = await views.unread_counts(context, actor.user_id, {i: [mine[i]] for i in mine}, heads)
    return UnreadAnswer(total=sum(counts.values()), conversations=sum(count > 0 for count in counts.values()))


async def mark_all_seen(context: ConversationContext, actor: Actor, command: MarkAllSeen) -> None:
    """Everything that was said so far, in every conversation, was read."""
    heads, mine = await _unread(context, actor)
    members = await context.store.conversations.memberships(mine, actor.user_id)
    for i in members:
        context.store.watermarks.learn(mine[i].id, Marks(mine[i].seen_seq, mine[i].delivered_seq))
    await asyncio.gather(*(_raise(context, actor, member, Marks(seen=heads[i])) for i, member in members.items()))


async def _unread(
    context: ConversationContext, actor: Actor
) -> tuple[Mapping[str, int], Mapping[str, ParticipantRecord]]:
    """The heads of the conversations that go on past what the actor has seen, and the actor's side of them."""
    mine = {one.conversation_id: one for one in await context.store.conversations.own_participants(actor.user_id)}
    heads = await context.store.log.read.heads(mine)
    return heads, {i: one for i, one in mine.items() if heads[i] > one.seen_seq}


async def mark_seen(context: ConversationContext, actor: Actor, command: MarkSeen) -> None:
    """Everything up to and including ``seq`` was read; a mark beyond the head is taken as the head."""
    member = await access.membership(context, actor, command.conversation_id)
    await _raise(context, actor, member, Marks(seen=await _clamped(context, command.conversation_id, command.seq)))


async def mark_delivered(context: ConversationContext, actor: Actor, command: MarkDelivered) -> None:
    """Everything up to and including ``seq`` reached a device."""
    member = await access.membership(context, actor, command.conversation_id)
    seq = await _clamped(context, command.conversation_id, command.seq)
    await _raise(context, actor, member, Marks(delivered=seq))


async def set_typing(context: ConversationContext, actor: Actor, command: SetTyping) -> None:
    """Published to the other side, once there is an entry, and unless one of them blocks the other; not stored, and it
    ends by itself."""
    member = await access.membership(context, actor, command.conversation_id)
    if not member.begun or await context.store.user_blocks.stands_between(*member.user_ids):
        return
    context.typing.set(member, actor.user_id, active=command.active)


async def _clamped(context: ConversationContext, conversation_id: str, seq: int) -> int:
    if seq <= context.store.log.known_head(conversation_id):
        return seq
    heads = await context.store.log.read.heads([conversation_id])
    return min(seq, heads[conversation_id])


async def _raise(context: ConversationContext, actor: Actor, member: Membership, marks: Marks) -> None:
    before, after = await context.store.watermarks.raise_to(member.participant_of(actor.user_id), marks)
    to = tuple(map(rooms.user, member.user_ids))
    conversation_id, user_id = member.conversation_id, actor.user_id
    if after.delivered > before.delivered:
        event = ConversationDelivered(conversation_id=conversation_id, user_id=user_id, seq=after.delivered)
        context.publisher.publish(event, *to)
    if after.seen > before.seen:
        context.publisher.publish(
            ConversationSeen(conversation_id=conversation_id, user_id=user_id, seq=after.seen), *to
        )
