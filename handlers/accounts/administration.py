"""Administrators: the first one, made from the command line; blocking a user and taking it back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from domain.accounts import AccountBlock, Role, User, normalised_email, require_administrator, require_may_block
from domain.errors import Code, DomainError, not_found
from domain.moderation import Target
from domain.times import to_wire, whole_milliseconds
from domain.wire import codec
from domain.wire.accounts import BlockUser, CreateSuperAdmin, UnblockUser
from domain.wire.moderation import AdminAnswer, CreateAdmin
from handlers.access import Actor, require_role
from handlers.accounts.passwords import require_strong
from handlers.accounts.sessions import cut_each
from handlers.audit import audit_writer
from handlers.context import AccountContext
from handlers.slots import changes
from store.audit import AuditWriter, PlannedAct
from store.profiles import NewProfile

if TYPE_CHECKING:
    from handlers.ports import Passwords
    from store.store import Store


async def create_superadmin(
    store: Store, passwords: Passwords, clock: Callable[[], datetime], *, email: str, password: str
) -> bool:
    """A verified superAdmin with its record; false when the address exists. Raises ``validation_failed``."""
    command = codec.convert(CreateSuperAdmin, {"email": email, "password": password})
    now = whole_milliseconds(clock())
    user, profile = await _administrator(
        store, passwords, now, "superAdmin", command.email, "", command.password
    )
    by_operator = PlannedAct(
        actor_id=None,
        actor_role=None,
        address="",
        action="admin.create",
        target=Target("user", user.id),
        reason=None,
        at=now,
    )
    return await store.accounts.create(user, profile, store.audit.writer(by_operator))


async def create_admin(context: AccountContext, actor: Actor, command: CreateAdmin) -> AdminAnswer:
    """By a superAdmin: a verified admin with its record. Raises ``conflict`` for an address that is known."""
    require_role(actor, "superAdmin")
    user, profile = await _administrator(
        context.store, context.passwords, context.now(), "admin", command.email, command.name, command.password
    )
    audit = audit_writer(context, actor, "admin.create", "user", user.id)
    if not await context.store.accounts.create(user, profile, audit):
        raise DomainError(Code.CONFLICT, "There is an account with this address already.")
    return AdminAnswer(
        id=user.id,
        email=user.email,
        name=profile.name,
        role=user.role,
        profile_id=user.profile_id,
        created_at=to_wire(user.created_at),
    )


async def _administrator(
    store: Store, passwords: Passwords, now: datetime, role: Role, email: str, name: str, password: str
) -> tuple[User, NewProfile]:
    address = normalised_email(email)
    await require_strong(passwords, password, email, name)
    hashed = await passwords.hash(password)
    user = User(
        id=store.users.new_id(),
        email=address,
        role=role,
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
        name=name.strip() or address.partition("@")[0],
        email=address,
        time_zone="UTC",
        created_at=now,
    )
    return user, profile


async def block(context: AccountContext, actor: Actor, command: BlockUser) -> None:
    """Raises ``forbidden`` or ``not_found``. Every session of the user ends."""
    audit = audit_writer(context, actor, "user.block", "user", command.id, command.reason)
    await _set(context, actor, command.id, AccountBlock(by=actor.user_id, reason=command.reason), audit)


async def unblock(context: AccountContext, actor: Actor, command: UnblockUser) -> None:
    """Raises ``forbidden`` or ``not_found``. The user may sign in again; no earlier session comes back."""
    audit = audit_writer(context, actor, "user.unblock", "user", command.id, command.reason)
    await _set(context, actor, command.id, None, audit)


async def _set(
    context: AccountContext, actor: Actor, user_id: str, block: AccountBlock | None, audit: AuditWriter
) -> None:
    target = await _target(context, actor, user_id)
    if target.is_blocked == (block is not None):
        return
    async with changes.of_account(context, target):
        ended = await context.store.accounts.set_blocked(target, block, context.now(), audit)
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
