"""What people are notified of, by which channels, and what each of them wants of it.

A new kind is a row of ``KINDS``: the preferences, their validation and the documents follow from it.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

import msgspec

from domain.times import instant

NotificationChannel = Literal["mail", "push"]
# APNs for `ios`, FCM for the others.
Platform = Literal["ios", "android", "web"]
KindName = Literal["account", "signIn", "message", "booking", "reminder", "payment"]
# Of one user; whoever registers one more loses the one that was not registered for longest.
MAX_DEVICES = 20


class NotificationKind(msgspec.Struct, frozen=True):
    """``fixed``: nobody can do without it. ``about``: what it tells of, for documents and mails."""

    name: KindName
    channels: tuple[NotificationChannel, ...]
    about: str
    fixed: bool = False


KINDS = (
    NotificationKind("account", ("mail",), "codes, and changes of the password", fixed=True),
    NotificationKind("signIn", ("mail",), "sign-ins from a device that was not there before", fixed=True),
    NotificationKind("message", ("mail", "push"), "messages that no device has received, and a digest of unread ones"),
    NotificationKind("booking", ("mail", "push"), "sessions that were booked, moved or cancelled"),
    NotificationKind("reminder", ("mail", "push"), "sessions that begin soon"),
    NotificationKind("payment", ("mail", "push"), "receipts and refunds"),
)
BY_NAME: dict[KindName, NotificationKind] = {kind.name: kind for kind in KINDS}


class QuietHours(msgspec.Struct, frozen=True, kw_only=True):
    """Minutes after midnight on the wall of ``time_zone``; an end before the start is on the next day.

    Without a zone, that of whoever they belong to.
    """

    start: int
    end: int
    time_zone: str | None = None


class Preferences(msgspec.Struct, frozen=True, kw_only=True):
    """``off``: what was turned off; everything else is on, so that a new kind is on for everybody."""

    off: frozenset[tuple[KindName, NotificationChannel]] = frozenset()
    quiet_hours: QuietHours | None = None

    def wants(self, name: KindName, channel: NotificationChannel) -> bool:
        kind = BY_NAME[name]
        return channel in kind.channels and (kind.fixed or (name, channel) not in self.off)


DEFAULTS = Preferences()


def quiet_until(preferences: Preferences, own_zone: str | None, now: datetime) -> datetime | None:
    """When the quiet hours end within which it is now; nothing where it is in none."""
    quiet = preferences.quiet_hours
    if quiet is None:
        return None
    zone = ZoneInfo(quiet.time_zone or own_zone or "UTC")
    today = now.astimezone(zone).date()
    # Yesterday's can last until today, and where the clocks change today's can begin yesterday.
    for day in (today - timedelta(days=1), today, today + timedelta(days=1)):
        begin = instant(zone, day, quiet.start)
        end = instant(zone, day, quiet.end if quiet.end > quiet.start else quiet.end + 24 * 60)
        if begin <= now < end:
            return end
    return None


def not_before(
    preferences: Preferences, own_zone: str | None, now: datetime, deadline: datetime | None = None
) -> datetime:
    """When a notification may make a sound. What would come too late after the quiet hours comes within them."""
    end = quiet_until(preferences, own_zone, now)
    return now if end is None or (deadline is not None and deadline <= end) else end


def turned_off(
    chosen: Collection[tuple[KindName, NotificationChannel, bool]],
) -> frozenset[tuple[KindName, NotificationChannel]]:
    return frozenset((kind, channel) for kind, channel, wanted in chosen if not wanted)
