"""Users block each other: no messages, presence or bookings between them, whoever of the two blocked.

Nothing that was said or arranged is hidden: the log stays as it is, and bookings stay and say so.
"""

from __future__ import annotations

import asyncio

from domain import rooms
from domain.accounts import ADMINISTRATORS, User
from domain.errors import Code, DomainError, invalid, not_found
from domain.moderation import MAX_BLOCKS
from domain.wire.events import BookingsSyncRequired
from domain.wire.moderation import BlockPerson, UnblockPerson
from handlers.access import Actor, require_role
from handlers.context import PublishContext
from handlers.idempotency import idempotent
from store.user_blocks import TRUSTED_SECONDS, ProfilePair


@idempotent("user:block")
async def block_person(context: PublishContext, actor: Actor, command: BlockPerson) -> None:
    """When this returns, no node lets anything pass between the two. Raises ``not_found``, or ``conflict`` when the
    actor blocks too many."""
    other = await _other(context, actor, command.user_id)
    blocks = context.store.user_blocks
    if await blocks.count(actor.user_id, MAX_BLOCKS) >= MAX_BLOCKS:
        raise DomainError(Code.CONFLICT, f"At most {MAX_BLOCKS} people can be blocked.")
    if await blocks.add(actor.user_id, other.id, _parties(actor, other), context.now()):
        _notify(context, actor, other)
    # Also for a repeat: the first may have had no answer yet.
    await asyncio.sleep(TRUSTED_SECONDS)


@idempotent("user:unblock")
async def unblock_person(context: PublishContext, actor: Actor, command: UnblockPerson) -> None:
    """Takes the actor's own block back; nothing happens without one. Raises ``not_found``."""
    other = await _other(context, actor, command.user_id)
    if await context.store.user_blocks.remove(actor.user_id, other.id, _parties(actor, other)):
        _notify(context, actor, other)


async def _other(context: PublishContext, actor: Actor, user_id: str) -> User:
    require_role(actor, "client", "trainer")
    if user_id == actor.user_id:
        raise invalid("userId", "is yourself")
    other = await context.store.users.by_id(user_id)
    if other is None or other.is_deleted or not other.is_verified:
        raise not_found("user")
    if other.role in ADMINISTRATORS:
        raise DomainError(Code.FORBIDDEN, "Administrators cannot be blocked.")
    return other


def _parties(actor: Actor, other: User) -> ProfilePair | None:
    """Of a pair that may have bookings."""
    if actor.role == other.role:
        return None
    mine, others = actor.profile_id, other.profile_id
    return ProfilePair(mine, others) if actor.role == "client" else ProfilePair(others, mine)


def _notify(context: PublishContext, actor: Actor, other: User) -> None:
    """Their bookings say so from now on."""
    if actor.role != other.role:
        context.publisher.publish(BookingsSyncRequired(), rooms.user(actor.user_id), rooms.user(other.id))
