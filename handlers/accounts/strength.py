"""Passwords that are guessed first are not taken, wherever one is chosen."""

from __future__ import annotations

from domain.accounts import User
from domain.errors import invalid
from handlers.context import Passwords
from store.store import Store


async def require_strong(passwords: Passwords, password: str, *own: str, field: str = "password") -> None:
    """``own``: what is known of its owner. Raises ``validation_failed``, saying why."""
    why = await passwords.weakness(password, own)
    if why is not None:
        raise invalid(field, why)


async def require_strong_of(
    store: Store, passwords: Passwords, user: User, password: str, *, field: str = "password"
) -> None:
    """The same for a user, whose name and address are guessed before anything else."""
    profile = await store.profiles.by_id(user.role, user.profile_id)
    own = (user.email, *([profile.name] if profile is not None else []))
    await require_strong(passwords, password, *own, field=field)
