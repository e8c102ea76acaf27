"""What the commands of the accounts answer."""

from __future__ import annotations

from typing import Literal

from domain.accounts import Role
from domain.answers import Answer


class Accepted(Answer, frozen=True, kw_only=True):
    status: Literal["verification_sent", "reset_sent"]


class SignedInUser(Answer, frozen=True, kw_only=True):
    id: str
    email: str
    role: Role
    profile_id: str
    is_verified: bool


class Tokens(Answer, frozen=True, kw_only=True):
    """``expires_in``: the access token's lifetime in seconds."""

    access_token: str
    refresh_token: str
    expires_in: int
    user: SignedInUser


class ResetToken(Answer, frozen=True, kw_only=True):
    reset_token: str


class Device(Answer, frozen=True, kw_only=True):
    """One session; ``current``: the caller's own. Instants as RFC 3339."""

    id: str
    device: str | None
    current: bool
    created_at: str
    last_used_at: str
    expires_at: str


class DevicePage(Answer, frozen=True, kw_only=True):
    items: list[Device]
    next_cursor: str | None


class Me(SignedInUser, frozen=True, kw_only=True):
    is_active: bool
    created_at: str
    updated_at: str
