"""The account itself."""

from __future__ import annotations

from domain.account_answers import Me
from domain.accounts import User, unauthenticated
from domain.commands.auth import UpdateMe
from domain.instants import to_wire
from handlers import slot_changes
from handlers.actor import Actor
from handlers.auth.signing_in import present
from handlers.context import Context
from handlers.idempotent import idempotent


async def get_me(context: Context, actor: Actor, command: None) -> Me:
    return _me(await context.store.users.by_id(actor.user_id))


@idempotent
async def update_me(context: Context, actor: Actor, command: UpdateMe) -> Me:
    """Pause or come back."""
    user = await context.store.users.by_id(actor.user_id)
    if user is not None:
        async with slot_changes.of_account(context, user):
            user = await context.store.accounts.set_active(user, command.is_active, present(context))
    return _me(user)


def _me(user: User | None) -> Me:
    if user is None:
        raise unauthenticated()
    return Me(
        id=user.id,
        email=user.email,
        role=user.role,
        profile_id=user.profile_id,
        is_verified=user.is_verified,
        is_active=user.is_active,
        created_at=to_wire(user.created_at),
        updated_at=to_wire(user.updated_at),
    )
