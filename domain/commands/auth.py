"""Commands of the accounts: what a visitor or a user sends."""

from __future__ import annotations

from typing import Literal

from domain import fields
from domain.commands import Command


class Register(Command, frozen=True, kw_only=True):
    email: fields.Email
    password: fields.Password
    role: Literal["client", "trainer"]
    name: fields.Name
    time_zone: fields.TimeZone = "UTC"


class Verify(Command, frozen=True, kw_only=True):
    email: fields.Email
    code: fields.SixDigits


class ResendCode(Command, frozen=True, kw_only=True):
    email: fields.Email


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
    code: fields.SixDigits


class ResetPassword(Command, frozen=True, kw_only=True):
    reset_token: fields.Token
    password: fields.Password


class ChangePassword(Command, frozen=True, kw_only=True):
    current_password: fields.TypedPassword
    new_password: fields.Password


class ListSessions(Command, frozen=True, kw_only=True):
    cursor: fields.Id | None = None
    limit: fields.PageSize = 20


class EndSession(Command, frozen=True, kw_only=True):
    id: fields.Id


class UpdateMe(Command, frozen=True, kw_only=True):
    is_active: bool


class EraseMe(Command, frozen=True, kw_only=True):
    password: fields.TypedPassword


class CreateSuperAdmin(Command, frozen=True, kw_only=True):
    email: fields.Email
    password: fields.Password
