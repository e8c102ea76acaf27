"""From the outbox to the log and to the phones: each change once, in the order in which it was committed."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from functools import partial

import msgspec
import structlog

from domain import rooms
from domain.booking_changes import BookingChange, note_of
from domain.errors import DomainError
from domain.messages import Message, MessageRecord, effect_key, to_message
from domain.webhooks import OF_BOOKING
from domain.wire.bookings import BookingAnswer
from domain.wire.events import OF_ACTION, BookingEvent, BookingsSyncRequired, CreditChanged
from handlers.bookings import queries
from handlers.context import PublishContext
from handlers.jobs import BOOKING_MAILS, Job, Postponed
from handlers.messages.publishing import entry_publisher
from handlers.slots import changes
from handlers.webhooks.delivering import wake
from store.outbox import OutboxRow
from store.work_queue import WorkRow

log = structlog.get_logger("bookings")


async def publish_pending(context: PublishContext, booking_id: str, committed: int) -> dict[int, BookingAnswer]:
    """Bring the log and the parties up to date with a booking; whatever another node left behind comes first.

    Returns what was published, by the booking's version. An earlier version that cannot be published holds the one just
    ``committed`` back, as the log has them in their order: then the durable work goes on with both.
    """
    published: dict[int, BookingAnswer] = {}
    for row in await context.store.outbox.of_booking(booking_id):
        try:
            published[row.version], _ = await _publish_row(context, row)
        except DomainError:
            raise
        except Exception as error:
            if row.version >= committed:
                raise
            log.warning("a booking is held back", booking=booking_id, version=row.version, error=type(error).__name__)
            break
    return published


def outbox_job(context: PublishContext) -> Job:
    """Publishes what dead nodes left in the outbox."""
    return Job(
        "outbox", context.store.outbox.queue, partial(_publish_left, context), lease=timedelta(seconds=30), at_once=8
    )


async def _publish_left(context: PublishContext, claimed: WorkRow) -> None:
    wanted = context.store.outbox.row(claimed)
    for row in await context.store.outbox.of_booking(wanted.booking_id):
        if row.version > wanted.version:
            break
        try:
            _, appended = await _publish_row(context, row)
        except Exception as error:
            if row.version == wanted.version:
                raise
            # That row has attempts of its own.
            raise Postponed from error
        if not appended:
            # Whoever did may have died before it published, but the parties are not to receive it twice: they can look.
            context.publisher.publish(BookingsSyncRequired(), *map(rooms.user, row.change().booking.user_ids))


async def _publish_row(context: PublishContext, row: OutboxRow) -> tuple[BookingAnswer, bool]:
    """The booking, and whether it was this node that appended and published it."""
    change = row.change()
    context.wake_ups.wake(BOOKING_MAILS)
    wake(context, OF_BOOKING[change.action])
    changes.after_booking(context, change)
    appended, _ = await asyncio.gather(_append(context, change), _leave(context, change))
    await context.store.outbox.done(row)
    return appended


async def _leave(context: PublishContext, change: BookingChange) -> None:
    """Whoever was erased while the booking was made, or cancelled, has not left it with the others."""
    if change.action not in ("created", "cancelled"):
        return
    for user in await context.store.users.by_ids(change.booking.user_ids):
        if user.is_deleted:
            await context.store.bookings.leave_one(change.booking, user.role, context.now())


async def _append(context: PublishContext, change: BookingChange) -> tuple[BookingAnswer, bool]:
    """Whoever appended it publishes it to both parties, and nobody else: each version once."""
    booking = change.booking
    member = await context.store.conversations.members(booking.conversation_id)
    assert member is not None
    event = await _event(context, change)
    publish_entry = await entry_publisher(context, member, partial(to_message, seen=False))

    def on_committed(record: MessageRecord) -> Message:
        message = publish_entry(record)
        _publish_event(context, change, event)
        return message

    appended = await context.store.log.append_message(_record(context, change), on_committed)
    return event.booking, isinstance(appended, Message)


async def _event(context: PublishContext, change: BookingChange) -> BookingEvent:
    return OF_ACTION[change.action](
        booking=await queries.booking_view(context, change.booking), by=change.by or msgspec.UNSET
    )


def _publish_event(context: PublishContext, change: BookingChange, event: BookingEvent) -> None:
    booking = change.booking
    context.publisher.publish(event, *map(rooms.user, booking.user_ids))
    if change.balance is not None:
        credit = CreditChanged(
            trainer_id=booking.trainer_id, amount_of_credit=change.balance.amount, version=change.balance.version
        )
        context.publisher.publish(credit, rooms.user(booking.client_user_id))


def _record(context: PublishContext, change: BookingChange) -> MessageRecord:
    at = change.booking.updated_at
    return MessageRecord(
        id=context.store.log.new_id(),
        conversation_id=change.booking.conversation_id,
        sender_id=change.sender_id,
        kind="booking",
        client_message_id=effect_key(change.effect),
        booking=note_of(change),
        created_at=at,
        updated_at=at,
    )
