"""Who is there: what each device says, and what others see of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, get_args

import msgspec

# What a device may say of its owner.
Status = Literal["online", "away", "invisible"]
# What others see.
PublicStatus = Literal["online", "away", "offline"]

# The most present first: of several devices, and of several nodes, the first one counts.
_ORDER: tuple[Status, ...] = get_args(Status)
_PUBLIC_ORDER: tuple[PublicStatus, ...] = get_args(PublicStatus)


class View(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a user: of two views the one with the higher version holds.

    ``seen``: when the user was last seen, in milliseconds, 0 for unknown. ``holders``: who has devices of the user.
    """

    version: int
    status: PublicStatus
    seen: int = 0
    holders: frozenset[str] = frozenset()


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """What a person chose for all devices at once: of two the one with the higher version holds.

    ``status``: invisible, or what ended it; None for whoever never was.
    """

    status: Status | None = None
    version: int = 0

    @property
    def hides(self) -> bool:
        return self.status == "invisible"


NO_CHOICE = Choice()


def resumed(said: Status, choice: Choice) -> Status:
    """What a device counts as that comes back: what it said itself, unless that is no longer so for its owner."""
    return choice.status or said if said == "invisible" else said


NOWHERE = View(version=0, status="offline")


def combined(statuses: Iterable[Status]) -> Status | None:
    """The most present of a user's devices; None without any."""
    return min(statuses, key=_ORDER.index, default=None)


def public(status: Status | None) -> PublicStatus:
    """Invisible looks like gone."""
    return "offline" if status is None or status == "invisible" else status


def most_present(one: PublicStatus, other: PublicStatus) -> PublicStatus:
    return min(one, other, key=_PUBLIC_ORDER.index)


def assumed(known: View, ours: frozenset[str], here: Status | None, left_at: int) -> View:
    """The view to assume of a user whose change here cannot be published: other holders are assumed to be unchanged."""
    if not known.holders <= ours:
        return known
    status = public(here)
    gone = status == "offline" != known.status
    return msgspec.structs.replace(known, status=status, seen=max(known.seen, left_at) if gone else known.seen)
