"""Commands and answers of accounts, sessions and the blocking of users."""

from __future__ import annotations

from typing import Literal

from msgspec import UNSET, UnsetType

from domain.accounts import Role
from domain.wire import fields
from domain.wire.base import Answer, Command


class Register(Command, frozen=True, kw_only=True):
    email: fields.Email
    password: fields.Password
    role: Literal["client", "trainer"]
    name: fields.Name
    time_zone: fields.TimeZone | None = None


class Verify(Command, frozen=True, kw_only=True):
    email: fields.Email
    code: fields.Code
    registration_token: fields.Token


class ResendCode(Command, frozen=True, kw_only=True):
    email: fields.Email
    registration_token: fields.Token


class Login(Command, frozen=True, kw_only=True):
    email: fields.Email
    password: fields.TypedPassword
    device: fields.DeviceName | None = None


class Refresh(Command, frozen=True, kw_only=True):
    refresh_token: fields.Token


class ForgotPassword(Command, frozen=True, kw_only=True):
    email: fields.Email


class VerifyResetCode(Command, frozen=True, kw_only=True):
    email: fields.Email
    code: fields.Code


class ResetPassword(Command, frozen=True, kw_only=True):
    reset_token: fields.Token
    password: fields.Password


class ChangePassword(Command, frozen=True, kw_only=True):
    current_password: fields.TypedPassword
    new_password: fields.Password


class ListSessions(Command, frozen=True, kw_only=True):
    cursor: fields.Cursor | None = None
    limit: fields.PageSize = 20


class EndSession(Command, frozen=True, kw_only=True):
    id: fields.Id


class UpdateMe(Command, frozen=True, kw_only=True):
    """``timeZone``: where the person is; mails and reminders use it."""

    is_active: bool | UnsetType = UNSET
    time_zone: fields.TimeZone | UnsetType = UNSET


class ExportAnswer(Answer, frozen=True, kw_only=True):
    """``url``: a path below the server's address, good without a header until ``expires_at``; both once it is ready."""

    status: Literal["none", "pending", "ready", "failed"]
    url: str | UnsetType = UNSET
    expires_at: str | UnsetType = UNSET


class EraseMe(Command, frozen=True, kw_only=True):
    password: fields.TypedPassword


class CreateSuperAdmin(Command, frozen=True, kw_only=True):
    email: fields.Email
    password: fields.Password


class BlockUser(Command, frozen=True, kw_only=True):
    id: fields.Id
    reason: fields.ReasonText


class UnblockUser(Command, frozen=True, kw_only=True):
    id: fields.Id
    reason: fields.ReasonText | None = None


class Accepted(Answer, frozen=True, kw_only=True):
    status: Literal["verification_sent", "reset_sent"]


class Registered(Accepted, frozen=True, kw_only=True):
    """``registration_token`` goes with the code that is mailed; whoever loses it registers again."""

    registration_token: str


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
    """``timeZone`` is null until it is said; mails then have the time of the session's zone alone."""

    is_active: bool
    time_zone: str | None
    created_at: str
    updated_at: str
