"""What a user wants to be notified of, when not, and on which devices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import UNSET

from domain.accounts import require_time_zone
from domain.availability import minutes_of, time_of
from domain.errors import DomainError, invalid
from domain.notifications import BY_NAME, KINDS, KindName, NotificationChannel, Preferences, QuietHours, turned_off
from domain.wire.notifications import (
    ChannelChoice,
    KindChoice,
    NotificationsAnswer,
    PutDevice,
    QuietHoursChoice,
    RemoveDevice,
    SetNotifications,
)
from handlers.access import Actor
from handlers.context import ReadContext
from handlers.idempotency import idempotent


async def get_notifications(context: ReadContext, actor: Actor, command: None) -> NotificationsAnswer:
    """Every kind with its channels, whether they are on, and the quiet hours."""
    return _answer(await context.store.notification_preferences.of(actor.user_id))


@idempotent("notifications:set")
async def set_notifications(context: ReadContext, actor: Actor, command: SetNotifications) -> NotificationsAnswer:
    """Raises ``validation_failed`` for a channel that a kind does not have, and for one that nobody can do without."""
    chosen = Preferences(off=turned_off(list(_choices(command.kinds))), quiet_hours=_quiet_hours(command.quiet_hours))
    await context.store.notification_preferences.put(actor.user_id, chosen, context.now())
    return _answer(chosen)


def _choices(kinds: Sequence[KindChoice]) -> Iterator[tuple[KindName, NotificationChannel, bool]]:
    named: set[KindName] = set()
    for number, choice in enumerate(kinds):
        if choice.kind in named:
            raise invalid(f"kinds[{number}].kind", "is named before")
        named.add(choice.kind)
        kind, given = BY_NAME[choice.kind], choice.channels
        both: tuple[tuple[NotificationChannel, object], ...] = (("mail", given.mail), ("push", given.push))
        for channel, wanted in both:
            if wanted is UNSET:
                continue
            field = f"kinds[{number}].channels.{channel}"
            if channel not in kind.channels:
                raise invalid(field, f"is no channel of this kind: it has {', '.join(kind.channels)}")
            if kind.fixed and not wanted:
                raise invalid(field, f"has to be on: {kind.about} are always told")
            yield choice.kind, channel, bool(wanted)


def _quiet_hours(given: QuietHoursChoice | None) -> QuietHours | None:
    if given is None:
        return None
    if given.start_time == given.end_time:
        raise invalid("quietHours.endTime", "has to be another time than startTime")
    if given.time_zone is not None:
        try:
            require_time_zone(given.time_zone)
        except DomainError:
            raise invalid("quietHours.timeZone", "has to be an IANA time zone, like Europe/Berlin") from None
    return QuietHours(start=minutes_of(given.start_time), end=minutes_of(given.end_time), time_zone=given.time_zone)


def _answer(preferences: Preferences) -> NotificationsAnswer:
    quiet = preferences.quiet_hours
    return NotificationsAnswer(
        kinds=[
            KindChoice(
                kind=kind.name,
                channels=ChannelChoice(
                    mail=preferences.wants(kind.name, "mail") if "mail" in kind.channels else UNSET,
                    push=preferences.wants(kind.name, "push") if "push" in kind.channels else UNSET,
                ),
            )
            for kind in KINDS
        ],
        quiet_hours=None
        if quiet is None
        else QuietHoursChoice(
            start_time=time_of(quiet.start), end_time=time_of(quiet.end), time_zone=quiet.time_zone
        ),
    )


# --- devices ---


@idempotent("device:put")
async def put_device(context: ReadContext, actor: Actor, command: PutDevice) -> None:
    """Pushes go to it from now on, until it is removed, its token ends or its session does. Whoever registers too many
    loses those that were not registered for longest."""
    await context.store.devices.put(
        actor.user_id, command.device_id, command.platform, command.token, actor.session_id, context.now()
    )


@idempotent("device:remove")
async def remove_device(context: ReadContext, actor: Actor, command: RemoveDevice) -> None:
    """Nothing happens where there is none such."""
    await context.store.devices.remove(actor.user_id, command.device_id)
