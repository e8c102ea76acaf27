"""Registrations that wait for their code: several may lie side by side under one unverified address.

Whoever types an address first need not own it. So a code activates the password of the registration it was sent
for and of no other, and a code asked for by somebody who cannot be matched to a registration activates none.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Literal
from zoneinfo import available_timezones

import msgspec

from domain.errors import invalid

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
