"""Administrators: the first one, made from the command line; blocking a user and taking it back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from domain.accounts import Block, User, normalised_email, require_administrator, require_may_block
from domain.errors import not_found
from domain.times import whole_milliseconds
from domain.wire import codec
from domain.wire.accounts import BlockUser, CreateSuperAdmin, UnblockUser
from handlers.access import Actor
from handlers.accounts.sessions import cut_each
from handlers.context import AccountContext
from handlers.slots import changes
from store.profiles import NewProfile

if TYPE_CHECKING:
    from handlers.context import AccountContext, Passwords
    from store.store import Store

async def create_superadmin(
    store: Store, passwords: Passwords, clock: Callable[[], datetime], *, email: str, password: str
) -> bool:
    """A verified superAdmin with its record; false when the address exists. Raises ``validation_failed``."""
    command = codec.convert(CreateSuperAdmin, {"email": email, "password": password})
    address = normalised_email(command.email)
    hashed = await passwords.hash(command.password)
    now = whole_milliseconds(clock())
    user = User(
        id=store.users.new_id(),
        email=address,
        role="superAdmin",
        profile_id=store.users.new_id(),
        password=hashed,
        password_changed_at=now,
        is_verified=True,
        created_at=now,
        updated_at=now,
    )
    profile = NewProfile(
        id=user.profile_id,
        user_id=user.id,
        name=address.partition("@")[0],
        email=address,
        time_zone="UTC",
        created_at=now,
    )
    return await store.accounts.create(user, profile)


async def block(context: AccountContext, actor: Actor, command: BlockUser) -> None:
    """Raises ``forbidden`` or ``not_found``. Every session of the user ends."""
    await _set(context, actor, command.id, Block(by=actor.user_id, reason=command.reason))


async def unblock(context: AccountContext, actor: Actor, command: UnblockUser) -> None:
    """Raises ``forbidden`` or ``not_found``. The user may sign in again; no earlier session comes back."""
    await _set(context, actor, command.id, None)


async def _set(context: AccountContext, actor: Actor, user_id: str, block: Block | None) -> None:
    target = await _target(context, actor, user_id)
    if target.is_blocked == (block is not None):
        return
    async with changes.of_account(context, target):
        ended = await context.store.accounts.set_blocked(target, block, context.now())
    if ended is None:
        raise not_found("user")
    cut_each(context, target.id, ended, "blocked")


async def _target(context: AccountContext, actor: Actor, user_id: str) -> User:
    require_administrator(actor.role)
    target = await context.store.users.by_id(user_id)
    if target is None or target.is_deleted:
        raise not_found("user")
    require_may_block(actor.user_id, actor.role, target)
    return target
