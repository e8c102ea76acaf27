"""Block a user, and take it back."""

from __future__ import annotations

from domain.accounts import User
from domain.blocking import Block, require_administrator, require_may_block
from domain.commands.administration import BlockUser, UnblockUser
from domain.errors import not_found
from handlers import slot_changes
from handlers.actor import Actor
from handlers.auth.leaving import cut_each
from handlers.auth.signing_in import present
from handlers.context import Context


async def block(context: Context, actor: Actor, command: BlockUser) -> None:
    """Raises ``forbidden`` or ``not_found``. Every session of the user ends."""
    await _set(context, actor, command.id, Block(by=actor.user_id, reason=command.reason))


async def unblock(context: Context, actor: Actor, command: UnblockUser) -> None:
    """Raises ``forbidden`` or ``not_found``. The user may sign in again; no earlier session comes back."""
    await _set(context, actor, command.id, None)


async def _set(context: Context, actor: Actor, user_id: str, block: Block | None) -> None:
    target = await _target(context, actor, user_id)
    if target.is_blocked == (block is not None):
        return
    async with slot_changes.of_account(context, target):
        ended = await context.store.accounts.set_blocked(target, block, present(context))
    if ended is None:
        raise not_found("user")
    cut_each(context, target.id, ended, "blocked")


async def _target(context: Context, actor: Actor, user_id: str) -> User:
    require_administrator(actor.role)
    target = await context.store.users.by_id(user_id)
    if target is None or target.is_deleted:
        raise not_found("user")
    require_may_block(actor.user_id, actor.role, target)
    return target
