"""From the notices of payments to the log and to the phones: each once, in the order in which they were committed."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from domain import rooms
from domain.messages import Message, MessageRecord, effect_key, to_message
from domain.payments import PaymentNote, PaymentNotice
from domain.webhooks import OF_PAYMENT
from domain.wire.events import BookingsSyncRequired, CreditChanged
from handlers.context import PublishContext
from handlers.jobs import Job
from handlers.messages.publishing import entry_publisher
from handlers.webhooks.delivering import wake
from store.work_queue import WorkRow


async def publish_pending(context: PublishContext, transaction_id: str) -> bool:
    """Bring the log and the parties up to date with a payment, whatever another node left behind first. False when
    another has appended some of it."""
    appended = True
    for notice in await context.store.payment_notices.of_transaction(transaction_id):
        appended &= await _publish_notice(context, notice)
    return appended


def payment_notices_job(context: PublishContext) -> Job:
    """Publishes what dead nodes left."""
    queue = context.store.payment_notices.queue
    seldom = timedelta(seconds=5)
    return Job("payment notices", queue, partial(_publish_left, context), lease=timedelta(seconds=30), poll=seldom)


async def _publish_left(context: PublishContext, claimed: WorkRow) -> None:
    notice = context.store.payment_notices.row(claimed)
    if not await publish_pending(context, notice.transaction_id):
        # Whoever did may have died before the balance was published, but it is not to be received twice: the client can
        # look.
        context.publisher.publish(BookingsSyncRequired(), rooms.user(notice.client_user_id))


async def _publish_notice(context: PublishContext, notice: PaymentNotice) -> bool:
    wake(context, OF_PAYMENT[notice.action])
    appended = await _append(context, notice)
    await context.store.payment_notices.done(notice)
    return appended


async def _append(context: PublishContext, notice: PaymentNotice) -> bool:
    """Whoever appended it publishes it, with the balance, and nobody else: each once."""
    member = await context.store.conversations.members(notice.conversation_id)
    assert member is not None
    publish_entry = await entry_publisher(context, member, partial(to_message, seen=False))
    credit = CreditChanged(
        trainer_id=notice.trainer_id, amount_of_credit=notice.balance, version=notice.version
    )

    def on_committed(record: MessageRecord) -> Message:
        message = publish_entry(record)
        context.publisher.publish(credit, rooms.user(notice.client_user_id))
        return message

    return isinstance(await context.store.log.append_message(_record(context, notice), on_committed), Message)


def _record(context: PublishContext, notice: PaymentNotice) -> MessageRecord:
    return MessageRecord(
        id=context.store.log.new_id(),
        conversation_id=notice.conversation_id,
        sender_id=notice.client_user_id,
        kind="payment",
        client_message_id=effect_key(notice.effect),
        payment=PaymentNote(
            purchase_id=notice.transaction_id,
            action=notice.action,
            credits=notice.credits,
            amount=notice.amount,
            currency=notice.currency,
        ),
        created_at=notice.at,
        updated_at=notice.at,
    )
