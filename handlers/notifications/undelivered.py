"""Who is pushed what: messages that no device has received within a while, whatever presence says.

A scan finds who lags behind (``store/undelivered.py``); after a while each is looked at once more, and whoever still
lags is pushed the newest message. What is read on one device is taken back from the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from time import monotonic

from domain.accounts import User, may_sign_in
from domain.messages import MessageRecord
from domain.notifications import Preferences, not_before
from handlers import pushes
from handlers.context import NotifyContext
from handlers.jobs import PUSHES, Job
from handlers.notifications.unread import is_muted
from store.pushes import PendingPush, PushKind, provider_of
from store.undelivered import EACH, OVERLAPS, Side
from store.work_queue import WorkRow

# Of the newest messages, those among which one is looked for that may be shown.
_NEWEST = 20
# Who has not received it by then is told by the digest.
_LASTING = timedelta(days=1)
# A scan is never set aside.
_FOR_EVER = 10**9
# Between two scans at least so many times as long as the first of them took.
_PAUSE = 9


def undelivered_scans_job(context: NotifyContext) -> Job:
    return Job(
        "undelivered scans", context.store.undelivered.scans, partial(_scan, context), at_once=1, attempts=_FOR_EVER,
        lease=timedelta(seconds=60), poll=timedelta(seconds=1.5),
    )  # fmt: skip


async def _scan(context: NotifyContext, claimed: WorkRow) -> None:
    undelivered = context.store.undelivered
    begun = monotonic()
    scan, now = await undelivered.scan(claimed), context.now()
    since, delays = scan.since - OVERLAPS[scan.name], context.push_delays
    if scan.name == "digest":
        async for batch in undelivered.lagging(scan, since, "seenSeq", "digestSeq"):
            await context.store.digests.note([user_id for _, user_id in batch], now, delays.digest)
    else:
        async for batch in undelivered.lagging(scan, since, "deliveredSeq", "pushedSeq"):
            owners = await context.store.devices.owners({user_id for _, user_id in batch})
            if reached := [participant for participant, user_id in batch if user_id in owners]:
                await undelivered.look_at(reached, now + delays.push)
        as_of = None if scan.as_of is None else scan.as_of - OVERLAPS[scan.name]
        for side in await undelivered.read_elsewhere(as_of):
            await _take_back(context, side)
    # However much there is to read, most of the time is others'.
    pause = max(EACH[scan.name], _PAUSE * timedelta(seconds=monotonic() - begun))
    await undelivered.scanned(claimed, now, now + pause)


async def _take_back(context: NotifyContext, side: Side) -> None:
    await _to_each_device(context, side, side.shown_seq, "withdrawal", "")
    await context.store.undelivered.taken_back(side)


def undelivered_messages_job(context: NotifyContext) -> Job:
    """The row is the participant itself."""
    return Job("undelivered messages", context.store.undelivered.queue, partial(_notify, context), at_once=8)


async def _notify(context: NotifyContext, claimed: WorkRow) -> None:
    side, now = context.store.undelivered.row(claimed), context.now()
    record = side.record
    user = await context.store.users.by_id(record.user_id)
    wanted = await context.store.notification_preferences.of(record.user_id)
    head = await _head(context, record.conversation_id)
    newest: MessageRecord | None = None
    if user is not None and may_sign_in(user) and not is_muted(record, now):
        last = await context.store.log.read.before(record.conversation_id, None, _NEWEST)
        newest = await _to_show(context, side, user, wanted, last)
    if newest is not None and user is not None:
        deadline = None if newest.booking is None else newest.booking.starts_at
        if (at := not_before(wanted, user.time_zone, now, deadline)) > now:
            await context.store.undelivered.queue.reschedule(claimed, at)
            return
        await _to_each_device(context, side, newest.seq, "entry", newest.id)
    elif side.shown_seq and await _is_taken_back(context, side):
        await _take_back(context, side)
    await context.store.undelivered.looked_at(side, head, None if newest is None else newest.seq)
    if await _head(context, record.conversation_id) > head:
        # A scan that came by in the meantime found the row waiting, and does not come back for the same message.
        await context.store.undelivered.queue.reschedule(claimed, now + context.push_delays.push)


async def _head(context: NotifyContext, conversation_id: str) -> int:
    return (await context.store.log.read.heads([conversation_id]))[conversation_id]


async def _to_show(
    context: NotifyContext, side: Side, user: User, wanted: Preferences, last: Sequence[MessageRecord]
) -> MessageRecord | None:
    """The newest message of the other that no device has received or shown, of a kind that the user wants pushed."""
    known = max(side.received, side.shown_seq)
    for record in reversed(last):
        if record.seq <= known:
            return None
        kind = pushes.kind_of(record)
        if record.sender_id == user.id or record.deleted_at is not None or kind is None:
            continue
        # Who pauses is told of sessions that stand, and of nothing else.
        if not wanted.wants(kind, "push") or (kind == "message" and not user.is_active):
            continue
        blocked = await context.store.user_blocks.stands_between(user.id, record.sender_id)
        return None if blocked else record
    return None


async def _is_taken_back(context: NotifyContext, side: Side) -> bool:
    """Whether what devices show was deleted."""
    shown = await context.store.log.read.before(side.record.conversation_id, side.shown_seq + 1, 1)
    return bool(shown) and shown[0].seq == side.shown_seq and shown[0].deleted_at is not None


async def _to_each_device(context: NotifyContext, side: Side, seq: int, kind: PushKind, subject: str) -> None:
    record, now = side.record, context.now()
    push = PendingPush(
        user_id=record.user_id,
        device="",
        key=f"conversation:{record.conversation_id}",
        # What is taken back comes after what it takes back.
        order=2 * seq + (kind == "withdrawal"),
        kind=kind,
        about=record.id,
        subject=subject,
        ends_at=now + _LASTING,
    )
    for device in await context.store.devices.of(record.user_id):
        await context.store.pushes.add(device, push, now)
        context.wake_ups.wake(PUSHES[provider_of(device.platform)])
