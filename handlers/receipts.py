"""Receipts and typing: what the other side, and one's own other devices, learn of one's reading and writing."""

from __future__ import annotations

from domain import rooms
from domain.commands.conversations import MarkDelivered, MarkSeen, SetTyping
from domain.conversations import Membership
from domain.events import ConversationDelivered, ConversationSeen
from handlers import access
from handlers.actor import Actor
from handlers.context import Context
from store.watermarks import Marks


async def mark_seen(context: Context, actor: Actor, command: MarkSeen) -> None:
    """Everything up to and including ``seq`` was read; a mark beyond the head is taken as the head."""
    member = await access.membership(context, actor, command.conversation_id)
    await _raise(context, actor, member, Marks(seen=await _clamped(context, command.conversation_id, command.seq)))


async def mark_delivered(context: Context, actor: Actor, command: MarkDelivered) -> None:
    """Everything up to and including ``seq`` reached a device."""
    member = await access.membership(context, actor, command.conversation_id)
    seq = await _clamped(context, command.conversation_id, command.seq)
    await _raise(context, actor, member, Marks(delivered=seq))


async def set_typing(context: Context, actor: Actor, command: SetTyping) -> None:
    """Tell the other side; not stored, and it ends by itself."""
    member = await access.membership(context, actor, command.conversation_id)
    context.typing.set(member, actor.user_id, active=command.active)


async def _clamped(context: Context, conversation_id: str, seq: int) -> int:
    if seq <= context.store.log.known_head(conversation_id):
        return seq
    heads = await context.store.log.read.heads([conversation_id])
    return min(seq, heads[conversation_id])


async def _raise(context: Context, actor: Actor, member: Membership, marks: Marks) -> None:
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
