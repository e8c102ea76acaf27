"""Receipts of payments and refunds, to the client: each is a row that was committed with what it tells of."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from domain.accounts import may_sign_in
from handlers import mails
from handlers.context import MailedContext
from handlers.jobs import Job, Postponed
from handlers.notifications.unsubscribing import unsubscribe_path
from store.work_queue import WorkRow


def receipts_job(context: MailedContext) -> Job:
    """The lease is longer than the mail server may take."""
    queue = context.store.receipts.queue
    return Job("receipts", queue, partial(_send, context), lease=timedelta(seconds=60), poll=timedelta(seconds=5))


async def _send(context: MailedContext, claimed: WorkRow) -> None:
    notice = context.store.receipts.row(claimed)
    user = await context.store.users.by_id(notice.client_user_id)
    unsubscribe = await unsubscribe_path(context.store, context.secrets, notice.client_user_id, "payment")
    if user is None or not may_sign_in(user) or unsubscribe is None:
        return
    cards = await context.store.people.cards([notice.trainer_user_id])
    trainer = cards.get(notice.trainer_user_id)
    key = context.secrets.keyed_hash("receipt", f"{notice.transaction_id} {notice.effect}")
    mail = mails.receipt(
        user.email, notice, trainer.name if trainer else "", user.time_zone, key=key, unsubscribe=unsubscribe
    )
    if not await context.mailer.deliver(mail):
        raise Postponed
