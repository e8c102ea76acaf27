"""The first administrator, made from the command line."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from domain import wire
from domain.accounts import User, normalised_email
from domain.commands.auth import CreateSuperAdmin
from domain.instants import whole_milliseconds
from store.profiles import NewProfile

if TYPE_CHECKING:
    from handlers.ports import Passwords
    from store.store import Store


async def create_superadmin(
    store: Store, passwords: Passwords, clock: Callable[[], datetime], *, email: str, password: str
) -> bool:
    """A verified superAdmin with its record; false when the address exists. Raises ``validation_failed``."""
    command = wire.convert(CreateSuperAdmin, {"email": email, "password": password})
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
