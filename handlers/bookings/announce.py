"""From the outbox to the log and to the phones: each change once, in the order in which it was committed."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import msgspec

from domain import rooms
from domain.booking_changes import Change, note_of
from domain.messages import Message, MessageRecord, effect_key, to_message
from domain.wire.bookings import BookingAnswer
from domain.wire.events import OF_ACTION, BookingEvent, CreditChanged, MessageNew
from handlers.bookings import queries
from handlers.context import Context
from handlers.messages import views
from handlers.slots import changes

# A node that lives has appended what it committed long before that.
ABANDONED_AFTER = timedelta(seconds=5)
_CLAIM_LASTS = timedelta(seconds=30)


async def settle(context: Context, booking_id: str) -> dict[int, BookingAnswer]:
    """Bring the log up to date with a booking; whatever another node left behind comes first.

    Answers what was told, by the booking's version.
    """
    told: dict[int, BookingAnswer] = {}
    for change in await context.store.outbox.of_booking(booking_id):
        changes.after_booking(context, change)
        told[change.booking.version], _ = await asyncio.gather(_append(context, change), _leave(context, change))
        await context.store.outbox.done(change)
    return told


async def redrive(context: Context) -> int:
    """Settle what dead nodes left in the outbox; answers how many bookings that were."""
    count = 0
    while True:
        now = context.now()
        booking_id = await context.store.outbox.claim_stale(now, ABANDONED_AFTER, _CLAIM_LASTS)
        if booking_id is None:
            return count
        await settle(context, booking_id)
        count += 1


async def _leave(context: Context, change: Change) -> None:
    """Whoever was erased while the booking was made, or cancelled, has not left it with the others."""
    if change.action not in ("created", "cancelled"):
        return
    for user in await context.store.users.by_ids(change.booking.user_ids):
        if user.is_deleted:
            await context.store.bookings.leave_one(change.booking, user.role, context.now())


async def _append(context: Context, change: Change) -> BookingAnswer:
    booking = change.booking
    member = await context.store.conversations.membership(booking.conversation_id, booking.client_user_id)
    assert member is not None
    event = await _event(context, change)
    introduction = await views.prepare(context, member)

    def announce(record: MessageRecord) -> Message:
        message = to_message(record, seen=False)
        if message.seq == 1:
            views.publish(context, introduction, message)
        entry = MessageNew(conversation_id=message.conversation_id, seq=message.seq, message=message)
        context.publisher.publish(entry, *map(rooms.user, member.user_ids))
        _tell(context, change, event)
        return message

    appended = await context.store.log.append_message(_record(context, change), announce)
    if isinstance(appended, MessageRecord):
        # It was there already: whoever appended it may have died before it told the parties.
        _tell(context, change, event)
    return event.booking


async def _event(context: Context, change: Change) -> BookingEvent:
    return OF_ACTION[change.action](
        booking=await queries.booking_view(context, change.booking), by=change.by or msgspec.UNSET
    )


def _tell(context: Context, change: Change, event: BookingEvent) -> None:
    booking = change.booking
    context.publisher.publish(event, *map(rooms.user, booking.user_ids))
    if change.balance is not None:
        credit = CreditChanged(
            trainer_id=booking.trainer_id, amount_of_credit=change.balance.amount, version=change.balance.version
        )
        context.publisher.publish(credit, rooms.user(booking.client_user_id))


def _record(context: Context, change: Change) -> MessageRecord:
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
