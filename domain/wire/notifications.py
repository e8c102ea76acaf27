"""What people want to be notified of, and the devices that pushes go to."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from domain.notifications import KINDS, KindName, Platform
from domain.wire import fields
from domain.wire.base import Answer, Command

MAX_KINDS = 2 * len(KINDS)


class ChannelChoice(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Only the channels that the kind has; one that is left out is on."""

    mail: bool | UnsetType = UNSET
    push: bool | UnsetType = UNSET


class KindChoice(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    kind: KindName
    channels: ChannelChoice


class QuietHoursChoice(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Times on the wall of ``timeZone``, one's own where it is null; an end before the start is on the next day."""

    start_time: fields.WallTime
    end_time: fields.WallTime
    time_zone: fields.TimeZone | None = None


class SetNotifications(Command, frozen=True, kw_only=True):
    """Replaces what was chosen; a kind that is left out is on, and without quiet hours there are none."""

    kinds: Annotated[tuple[KindChoice, ...], Meta(max_length=MAX_KINDS)] = ()
    quiet_hours: QuietHoursChoice | None = None


class NotificationsAnswer(Answer, frozen=True, kw_only=True):
    """Every kind with all of its channels; a PUT takes it as it is. Codes and sign-ins are always mailed."""

    kinds: list[KindChoice]
    quiet_hours: QuietHoursChoice | None


UnsubscribeToken = Annotated[
    str,
    Meta(pattern=r"^[0-9a-f]{24}\.[A-Za-z]{1,20}\.[0-9a-f]{64}\Z", description="the secret part of the mail's link"),
]


class Unsubscribe(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    token: UnsubscribeToken


_PRINTABLE = r"^[\x21-\x7e]*\Z"
DeviceId = Annotated[
    str,
    Meta(min_length=1, max_length=64, pattern=_PRINTABLE, description="printable ASCII characters without blanks"),
]
PushToken = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=4096,
        pattern=_PRINTABLE,
        description="as FCM or APNs gave it to the app, printable ASCII characters without blanks",
    ),
]


class PutDevice(Command, frozen=True, kw_only=True):
    """``deviceId``: as the app calls its installation. The registration ends with the session that made it."""

    device_id: DeviceId
    platform: Platform
    token: PushToken


class RemoveDevice(Command, frozen=True, kw_only=True):
    device_id: DeviceId
