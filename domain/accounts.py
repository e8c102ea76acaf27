"""Accounts: roles, users, and who may block whom."""

from __future__ import annotations

import unicodedata
from datetime import datetime, timedelta
from functools import cache
from typing import Literal
from zoneinfo import available_timezones

import msgspec

from domain.errors import Code, DomainError, invalid
from domain.presence import NO_CHOICE, Choice

Role = Literal["client", "trainer", "admin", "superAdmin"]
ADMINISTRATORS: frozenset[Role] = frozenset({"admin", "superAdmin"})


class User(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the User table, without the secrets of its codes."""

    id: str
    email: str
    role: Role
    profile_id: str
    password: str | None
    password_changed_at: datetime | None = None
    is_blocked: bool = False
    is_verified: bool = False
    is_active: bool = True
    is_deleted: bool = False
    # IANA; nothing of whoever has not said where it is.
    time_zone: str | None = None
    presence: Choice = NO_CHOICE
    created_at: datetime
    updated_at: datetime


def normalised_email(email: str) -> str:
    """The one spelling under which an address is stored and looked up; raises ``validation_failed``.

    A character that folds into ASCII (the Kelvin sign, a full-width letter, a sharp s) is refused: with it two
    mailboxes of different people would become one account.
    """
    for character in email:
        folded = unicodedata.normalize("NFKC", character).casefold()
        if not character.isascii() and any(part.isascii() for part in folded):
            raise invalid("email", "has a character that is easily taken for another: write it in plain letters")
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", email).casefold())


def next_password_change(user: User, now: datetime) -> datetime:
    """When a change made now counts as made: later than the one before it, whatever the nodes' clocks say."""
    before = user.password_changed_at
    return now if before is None else max(now, before + timedelta(milliseconds=1))


def require_may_sign_in(user: User) -> None:
    """Raises ``invalid_credentials`` (erased), ``email_not_verified`` or ``account_blocked``."""
    if user.is_deleted:
        raise invalid_credentials()
    if not user.is_verified:
        raise email_not_verified()
    if user.is_blocked:
        raise DomainError(Code.ACCOUNT_BLOCKED, "This account is blocked.")


def may_sign_in(user: User) -> bool:
    """The same without telling why not."""
    return user.is_verified and not user.is_deleted and not user.is_blocked


def email_not_verified() -> DomainError:
    return DomainError(Code.EMAIL_NOT_VERIFIED, "Confirm your e-mail address first.")


def invalid_credentials() -> DomainError:
    return DomainError(Code.INVALID_CREDENTIALS, "The e-mail address or the password is wrong.")


def unauthenticated(message: str = "Sign in first.") -> DomainError:
    return DomainError(Code.UNAUTHENTICATED, message)


def session_ended() -> DomainError:
    return unauthenticated("This session has ended; sign in again.")


def invalid_code() -> DomainError:
    """One answer for a wrong, used, expired or never sent code, and for an unknown address."""
    return DomainError(Code.INVALID_CODE, "The code is wrong or has expired.")


def require_time_zone(name: str) -> str:
    """The IANA name itself; raises ``validation_failed``."""
    if name not in _zones():
        raise invalid("timeZone", "has to be an IANA time zone, like Europe/Berlin")
    return name


@cache
def _zones() -> frozenset[str]:
    # Some systems list names that are no zones: what the host is set to, and a placeholder.
    return frozenset(available_timezones()) - {"localtime", "Factory", "posixrules"}


class AccountBlock(msgspec.Struct, frozen=True, kw_only=True):
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
