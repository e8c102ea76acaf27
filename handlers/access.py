"""Look-ups that start from the actor: what one may not see is not found."""

from __future__ import annotations

from domain.accounts import Role
from domain.conversations import Membership
from domain.errors import Code, DomainError, not_found
from domain.messages import MessageRecord
from handlers.actor import Actor
from handlers.context import Context


def require_role(actor: Actor, *allowed: Role) -> None:
    """Raises ``forbidden`` for an actor of another role."""
    if actor.role not in allowed:
        raise DomainError(Code.FORBIDDEN, f"Only for the roles {', '.join(sorted(allowed))}.")


async def membership(context: Context, actor: Actor, conversation_id: str) -> Membership:
    """The conversation, if the actor takes part in it; raises ``not_found``."""
    found = await context.store.conversations.membership(conversation_id, actor.user_id)
    if found is None:
        raise not_found("conversation")
    return found


async def message(context: Context, actor: Actor, message_id: str) -> tuple[Membership, MessageRecord]:
    """A message of one of the actor's conversations; raises ``not_found``."""
    found = await context.store.log.read.message(message_id)
    if found is None:
        raise not_found("message")
    member = await context.store.conversations.membership(found.conversation_id, actor.user_id)
    if member is None:
        raise not_found("message")
    return member, found
