"""From the notices of payments to the log and to the phones: each once, in the order in which they were committed."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from domain import rooms
from domain.messages import Message, MessageRecord, effect_key, to_message
from domain.payments import Notice, PaymentNote
from domain.webhooks import OF_PAYMENT
from domain.wire.events import CreditChanged, MessageNew
from handlers.context import PublishContext
from handlers.jobs import Job
from handlers.messages import views
from handlers.webhooks.delivering import wake
from store.work_queue import WorkRow


async def settle(context: PublishContext, transaction_id: str) -> None:
    """Bring the log up to date with a payment, whatever another node left behind first."""
    for notice in await context.store.payment_notices.of_transaction(transaction_id):
        await _settle(context, notice)


def redriving(context: PublishContext) -> Job:
    """Settles what dead nodes left."""
    queue = context.store.payment_notices.queue
    seldom = timedelta(seconds=5)
    return Job("payment notices", queue, partial(_redrive, context), lease=timedelta(seconds=30), poll=seldom)


async def _redrive(context: PublishContext, claimed: WorkRow) -> None:
    await settle(context, context.store.payment_notices.row(claimed).transaction_id)


async def _settle(context: PublishContext, notice: Notice) -> None:
    wake(context, OF_PAYMENT[notice.action])
    await _append(context, notice)
    await context.store.payment_notices.done(notice)


async def _append(context: PublishContext, notice: Notice) -> None:
    """Whoever appended it publishes it; a balance is worth telling again, its version says which one holds."""
    member = await context.store.conversations.members(notice.conversation_id)
    assert member is not None
    first_entry = await views.prepare(context, member)
    credit = CreditChanged(
        trainer_id=notice.trainer_id, amount_of_credit=notice.balance, version=notice.version
    )

    def announce(record: MessageRecord) -> Message:
        message = to_message(record, seen=False)
        if message.seq == 1:
            views.publish(context, member, first_entry)
        entry = MessageNew(conversation_id=message.conversation_id, seq=message.seq, message=message)
        context.publisher.publish(entry, *map(rooms.user, member.user_ids))
        return message

    await context.store.log.append_message(_record(context, notice), announce)
    context.publisher.publish(credit, rooms.user(notice.client_user_id))


def _record(context: PublishContext, notice: Notice) -> MessageRecord:
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
