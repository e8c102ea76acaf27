"""Accounts: roles, users, registrations that wait for their code, and who may block whom.

Whoever types an address first need not own it. So a code activates the password of the registration it was sent
for and of no other, and a code asked for by somebody who cannot be matched to a registration activates none.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Literal
from zoneinfo import available_timezones

import msgspec

from domain.errors import Code, DomainError, invalid

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
            raise invalid("email", "has a character that is easily taken for another")
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
        raise DomainError(Code.EMAIL_NOT_VERIFIED, "Confirm your e-mail address first.")
    if user.is_blocked:
        raise DomainError(Code.ACCOUNT_BLOCKED, "This account is blocked.")


def may_sign_in(user: User) -> bool:
    """The same without telling why not."""
    return user.is_verified and not user.is_deleted and not user.is_blocked


def invalid_credentials() -> DomainError:
    return DomainError(Code.INVALID_CREDENTIALS, "The e-mail address or the password is wrong.")


def unauthenticated(message: str = "Sign in first.") -> DomainError:
    return DomainError(Code.UNAUTHENTICATED, message)


def session_ended() -> DomainError:
    return unauthenticated("This session has ended; sign in again.")


def invalid_code() -> DomainError:
    """One answer for a wrong, used, expired or never sent code, and for an unknown address."""
    return DomainError(Code.INVALID_CODE, "The code is wrong or has expired.")


CODE_LIFETIME = timedelta(minutes=10)
MAX_TRIES = 5
MAX_PENDING = 5


class Registration(msgspec.Struct, frozen=True, kw_only=True):
    """``code`` is a keyed hash; ``requester`` the keyed hash of the address it came from; ``password`` is
    an argon2 hash, or nothing for a code that only proves the mailbox."""

    id: str
    code: str
    expires_at: datetime
    tries: int = 0
    password: str | None
    role: Literal["client", "trainer"]
    name: str
    time_zone: str
    requester: str
    created_at: datetime


def with_registration(pending: Sequence[Registration], new: Registration) -> list[Registration]:
    """The pending ones after a registration; the same password renews its own, the oldest beyond five fall out."""
    kept = [one for one in pending if one.password != new.password]
    return [*kept, new][-MAX_PENDING:]


def resend(
    pending: Sequence[Registration], *, requester: str, code: str, new_id: str, now: datetime
) -> tuple[list[Registration], Registration]:
    """The pending ones after a request for a new code, and the one that the code is for.

    That is the newest from the same address, else the only one, else a new one without a password.
    """
    target = _resend_target(pending, requester)
    renewed = msgspec.structs.replace(target, code=code, expires_at=now + CODE_LIFETIME, tries=0)
    if target not in pending:
        renewed = msgspec.structs.replace(renewed, id=new_id, requester=requester, created_at=now)
    return with_registration([one for one in pending if one.id != renewed.id], renewed), renewed


def _resend_target(pending: Sequence[Registration], requester: str) -> Registration:
    own = [one for one in pending if one.requester == requester]
    if own:
        return own[-1]
    if len(pending) == 1:
        return pending[0]
    return msgspec.structs.replace(pending[-1], password=None)


def newest_password(pending: Sequence[Registration]) -> str | None:
    """The hash that a login before verification is compared with."""
    return next((one.password for one in reversed(pending) if one.password is not None), None)


def open_to_guess(pending: Sequence[Registration], now: datetime) -> list[Registration]:
    """Those whose code still counts, by the tries *before* this one."""
    return [one for one in pending if one.expires_at > now and one.tries < MAX_TRIES]


def require_time_zone(name: str) -> str:
    """The IANA name itself; raises ``validation_failed``."""
    if name not in _zones():
        raise invalid("timeZone", "is not an IANA time zone")
    return name


@cache
def _zones() -> frozenset[str]:
    # Some systems list names that are no zones: what the host is set to, and a placeholder.
    return frozenset(available_timezones()) - {"localtime", "Factory", "posixrules"}


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
