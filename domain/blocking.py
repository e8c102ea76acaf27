"""Who may block whom."""

from __future__ import annotations

import msgspec

from domain.accounts import ADMINISTRATORS, Role, User
from domain.errors import Code, DomainError


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """``by``: the administrator's user id."""

    by: str
    reason: str


def require_administrator(role: Role) -> None:
    """Raises ``forbidden``."""
    if role not in ADMINISTRATORS:
        raise DomainError(Code.FORBIDDEN, "Only administrators may do this.")


def require_may_block(user_id: str, role: Role, target: User) -> None:
    """And unblock; raises ``forbidden``."""
    require_administrator(role)
    if target.id == user_id:
        raise DomainError(Code.FORBIDDEN, "Nobody blocks himself.")
    if target.role == "superAdmin" and role != "superAdmin":
        raise DomainError(Code.FORBIDDEN, "Only a superAdmin may block a superAdmin.")
