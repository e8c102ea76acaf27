"""Who gives a command, and look-ups that start from the actor: what one may not see is not found."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from domain.accounts import ADMINISTRATORS, Role
from domain.conversations import Membership, UserSummary
from domain.errors import Code, DomainError, not_found
from domain.messages import MessageRecord
from domain.moderation import blocked_between
from domain.presence import NO_CHOICE, Choice, Status
from handlers.context import ReadContext


@dataclass(frozen=True, slots=True)
class Actor:
    """A signed-in user on one connection or request, with what its token and the database say of it."""

    user_id: str
    role: Role
    profile_id: str
    session_id: str
    address: str = ""
    # What the device said of its owner before this connection or request.
    presence: Status = "online"
    # What its owner chose for all devices.
    choice: Choice = NO_CHOICE
    # The socket's part in the namespace; nothing for a request.
    connection: str = ""
    # Held from a command's arrival until it is submitted to the log, so that what one socket sends
    # enters the log in the order in which it arrived.
    submit_lock: AbstractAsyncContextManager[object] = field(default_factory=asyncio.Lock, compare=False, repr=False)

    @property
    def is_admin(self) -> bool:
        return self.role in ADMINISTRATORS


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody without a token: only the public commands take one. ``agent``: what its program calls itself."""

    address: str = ""
    agent: str = ""


def require_role(actor: Actor, *allowed: Role) -> None:
    """Raises ``forbidden`` for an actor of another role."""
    if actor.role not in allowed:
        raise DomainError(Code.FORBIDDEN, f"Only for the roles {', '.join(sorted(allowed))}.")


async def membership(context: ReadContext, actor: Actor, conversation_id: str) -> Membership:
    """The conversation, if the actor takes part in it; raises ``not_found``."""
    found = context.store.conversations.known(conversation_id)
    if found is None:
        found = await context.store.conversations.membership(conversation_id, actor.user_id)
    if found is None or actor.user_id not in found.user_ids:
        raise not_found("conversation")
    return found


async def require_no_block(context: ReadContext, one: str, other: str) -> None:
    """Raises ``forbidden`` while one of the two users blocks the other."""
    if await context.store.user_blocks.stands_between(one, other):
        raise blocked_between()


async def trainer_to_deal_with(context: ReadContext, actor: Actor, trainer_id: str) -> UserSummary:
    """Whom the actor wants to book or to pay; raises ``not_found``, and ``forbidden`` while one of them blocks the
    other."""
    found = await context.store.people.reachable_profile("trainer", trainer_id)
    if found is None:
        raise not_found("trainer")
    await require_no_block(context, actor.user_id, found.user_id)
    return found


async def message(context: ReadContext, actor: Actor, message_id: str) -> tuple[Membership, MessageRecord]:
    """A message of one of the actor's conversations; raises ``not_found``."""
    found = await context.store.log.read.message(message_id)
    if found is None:
        raise not_found("message")
    member = await context.store.conversations.membership(found.conversation_id, actor.user_id)
    if member is None:
        raise not_found("message")
    return member, found
