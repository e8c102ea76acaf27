"""What a payment's step touches at once: one transaction each, from the row to the credits and the notice.

Stripe is never called within one.
"""

from __future__ import annotations

from datetime import datetime

import msgspec
from pymongo.errors import DuplicateKeyError

from domain.booking_changes import NO_SETTLEMENT, BookingChange
from domain.bookings import Booking
from domain.credits import Balance
from domain.disputes import Dispute, action_of, dispute_entry, with_dispute
from domain.owed_credits import Cause, OwedCredits
from domain.payments import PaymentAction, PaymentNotice, Transaction, grant_entry
from domain.refunds import Refund, after_refund, refund_entry, sent_back
from domain.webhooks import of_payment
from store.audit import AuditWriter, unrecorded
from store.booking_transactions import BookingTransactions
from store.conversations import Conversations
from store.credits import Credits
from store.database import ClientSession, Database
from store.disputes import Disputes
from store.failures import repository
from store.idempotency import Claim, Idempotency
from store.owed_credits import OwedCreditRows
from store.payment_notices import PaymentNotices
from store.refunds import Refunds
from store.trainer_parts import TrainerParts
from store.transactions import Transactions
from store.webhook_deliveries import WebhookDeliveries


@repository
class PaymentTransactions:
    def __init__(
        self,
        database: Database,
        transactions: Transactions,
        credits: Credits,
        conversations: Conversations,
        notices: PaymentNotices,
        refunds: Refunds,
        disputes: Disputes,
        trainer_parts: TrainerParts,
        owed: OwedCreditRows,
        idempotency: Idempotency,
        bookings: BookingTransactions,
        webhooks: WebhookDeliveries,
    ) -> None:
        self._database = database
        self._transactions = transactions
        self._credits = credits
        self._conversations = conversations
        self._notices = notices
        self._refunds = refunds
        self._disputes = disputes
        self._trainer_parts = trainer_parts
        self._owed = owed
        self._idempotency = idempotency
        self._bookings = bookings
        self._webhooks = webhooks

    async def begin(self, transaction: Transaction, claim: Claim | None) -> None:
        """The intent to sell; a key keeps its id, so that a repeat goes on with it."""

        async def body(session: ClientSession) -> None:
            await self._transactions.insert(transaction, session=session)
            if claim is not None:
                await self._idempotency.keep_within(claim, transaction.id.encode(), session=session)

        await self._database.transaction(body)

    async def fulfil(self, transaction: Transaction, now: datetime) -> Transaction | None:
        """Paid, and its credits granted; nothing when it was fulfilled before."""

        async def body(session: ClientSession) -> Transaction | None:
            paid = await self._transactions.pay(transaction, now, session=session)
            if paid is None:
                return None
            conversation_id = await self._conversations.open_within(
                paid.client_user_id, paid.trainer_user_id, now, session=session
            )
            balance = await self._credits.record_within(grant_entry(paid, now), session=session)
            await self._add(paid, _paid_notice(paid, paid.credits, conversation_id, balance, now), session)
            return paid

        return await self._database.transaction(body)

    async def confirm(self, transaction: Transaction, before: Booking, change: BookingChange, now: datetime) -> bool:
        """Paid, and the slot that was held is booked; false when either changed meanwhile."""

        async def pay(*, session: ClientSession) -> None:
            paid = await self._transactions.pay(transaction, now, session=session)
            if paid is None:
                raise _Changed
            balance = await self._credits.balance_within(paid.client_id, paid.trainer_id, session=session)
            notice = _paid_notice(paid, 0, before.conversation_id, balance, now)
            await self._add(paid, notice, session)

        try:
            return await self._bookings.alter(before, change, NO_SETTLEMENT, now, None, beside=pay) is not None
        except _Changed:
            return False

    async def begin_refund(
        self, transaction: Transaction, refund: Refund, claim: Claim | None, audit: AuditWriter = unrecorded
    ) -> bool:
        """The credits are gone before Stripe is asked; false when the payment or the credits changed meanwhile."""

        async def body(session: ClientSession) -> bool:
            if not await self._take_back(transaction, refund, refund.created_at, session):
                return False
            if claim is not None:
                await self._idempotency.keep_within(claim, refund.id.encode(), session=session)
            after = after_refund(transaction, refund)
            await audit(_refunded(transaction), _refunded(after), session=session)
            return True

        return await self._database.transaction(body)

    async def absorb_refund(self, transaction: Transaction, refund: Refund, usable: Usable) -> bool:
        """What Stripe refunded without us; as ``begin_refund``, and true for one that is known."""

        async def body(session: ClientSession) -> bool:
            if refund.owes:
                name, at = refund.stripe_id or refund.id, refund.created_at
                owed = _owed(transaction, "refund", name, refund.id, usable, refund.owes, at)
                await self._owe(owed, usable, session)
            if not await self._take_back(transaction, refund, refund.created_at, session):
                raise _Changed
            await self._trainer_parts.look(transaction.id, refund.created_at, session=session)
            await self._add_refund_notice(transaction, refund, refund.created_at, session)
            return True

        try:
            return await self._database.transaction(body)
        except DuplicateKeyError:
            return True
        except _Changed:
            return False

    async def finish_refund(
        self, transaction: Transaction, refund: Refund, stripe_id: str | None, now: datetime
    ) -> bool:
        """Stripe has made it or, with nothing, refused it and the credits come back; false when the payment changed
        meanwhile."""

        async def body(session: ClientSession) -> bool:
            if not await self._refunds.finish(refund, stripe_id, session=session):
                return True
            await self._trainer_parts.look(transaction.id, now, session=session, always=False)
            if stripe_id is not None:
                await self._add_refund_notice(transaction, refund, now, session)
                return True
            await self._undo(transaction, refund, now, session)
            return True

        try:
            return await self._database.transaction(body)
        except _Changed:
            return False

    async def fail_refund(self, transaction: Transaction, refund: Refund, now: datetime) -> bool:
        """The client's bank has sent the money back, and the credits come back; false when the payment changed
        meanwhile."""

        async def body(session: ClientSession) -> bool:
            if not await self._refunds.fail(refund, session=session):
                return False
            owed = await self._owed.drop("refund", refund.id, session=session)
            back = sent_back(transaction, msgspec.structs.replace(refund, owes=owed))
            await self._undo(transaction, back, now, session)
            await self._trainer_parts.look(transaction.id, now, session=session)
            return True

        try:
            return await self._database.transaction(body)
        except _Changed:
            return False

    async def _undo(self, transaction: Transaction, refund: Refund, now: datetime, session: ClientSession) -> None:
        after = after_refund(transaction, refund, -1)
        if not await self._transactions.put_refunded(transaction, after, now, session=session):
            raise _Changed
        if refund.credits:
            await self._credits.record_within(refund_entry(transaction, refund, now, 1), session=session)

    async def _take_back(
        self, transaction: Transaction, refund: Refund, now: datetime, session: ClientSession
    ) -> bool:
        after = after_refund(transaction, refund)
        if not await self._transactions.put_refunded(transaction, after, now, session=session):
            return False
        await self._refunds.insert(refund, session=session)
        if refund.credits:
            await self._credits.record_within(refund_entry(transaction, refund, now), session=session)
        return True

    async def _add_refund_notice(
        self, transaction: Transaction, refund: Refund, now: datetime, session: ClientSession
    ) -> None:
        name = f"refund:{refund.id}"
        await self.add_notice(transaction, name, "refunded", refund.credits, refund.amount, now, session)

    async def add_notice(
        self,
        transaction: Transaction,
        name: str,
        action: PaymentAction,
        credits: int,
        amount: int,
        now: datetime,
        session: ClientSession,
    ) -> None:
        """Of what has become of the payment, once under that name; within the transaction that did it."""
        conversation_id = await self._conversations.open_within(
            transaction.client_user_id, transaction.trainer_user_id, now, session=session
        )
        balance = await self._credits.balance_within(
            transaction.client_id, transaction.trainer_id, session=session
        )
        notice = _notice(transaction, name, action, credits, amount, conversation_id, balance, now)
        await self._add(transaction, notice, session)

    async def _add(self, transaction: Transaction, notice: PaymentNotice, session: ClientSession) -> None:
        """For the two of them, and for other systems."""
        await self._notices.add(notice, session=session)
        await self._webhooks.add(of_payment(notice, transaction), session=session)

    async def _owe(self, owed: OwedCredits, usable: Usable, session: ClientSession) -> None:
        """Raises ``_Changed`` when credits came or went meanwhile. Whoever gives one back in this moment finds that it
        is owed, or is found to have given it back."""
        locked = await self._credits.lock_within(owed.client_id, owed.trainer_id, owed.at, session=session)
        if locked != usable.balance:
            raise _Changed
        await self._owed.add(owed, session=session)

    async def step_dispute(
        self,
        transaction: Transaction,
        before: Dispute | None,
        after: Dispute,
        owes: int,
        usable: Usable,
        now: datetime,
    ) -> bool:
        """The dispute, what the payment shows of it, the credits, those owed (``owes`` more) and the notice; false when
        one of them changed meanwhile. Raises ``insufficient_credit`` when a credit was spent in between."""

        async def body(session: ClientSession) -> None:
            change = owes
            if after.status == "won":
                change = -await self._owed.drop("dispute", after.id, session=session)
            elif owes:
                owed = _owed(transaction, "dispute", after.id, after.id, usable, owes, now)
                await self._owe(owed, usable, session)
            changed = with_dispute(transaction, before, after, change)
            if not await self._transactions.put_disputed(transaction, changed, now, session=session):
                raise _Changed
            if not await self._disputes.put(before, after, now, session=session):
                raise _Changed
            await self._trainer_parts.look(transaction.id, now, session=session)
            entry = dispute_entry(transaction, before, after, now)
            if entry.amount:
                await self._credits.record_within(entry, session=session)
            if (action := action_of(before, after)) is not None:
                credits = entry.amount if action == "dispute_won" else after.credits
                name = f"dispute:{after.id}:{after.status}"
                await self.add_notice(transaction, name, action, credits, after.amount, now, session)

        try:
            await self._database.transaction(body)
        except (_Changed, DuplicateKeyError):
            return False
        return True


class Usable(msgspec.Struct, frozen=True, kw_only=True):
    """``credits``: of the ``balance`` that was seen, so many may be of the payment. ``in_booking``: its one credit is
    still in the session that it was paid for."""

    credits: int
    balance: int
    in_booking: bool = False


def _owed(
    transaction: Transaction, cause: Cause, name: str, cause_id: str, usable: Usable, credits: int, at: datetime
) -> OwedCredits:
    return OwedCredits(
        name=name,
        cause=cause,
        cause_id=cause_id,
        transaction_id=transaction.id,
        client_id=transaction.client_id,
        trainer_id=transaction.trainer_id,
        booking_id=transaction.booking_id if usable.in_booking else None,
        credits=credits,
        at=at,
    )


def _paid_notice(
    paid: Transaction, credits: int, conversation_id: str, balance: Balance, now: datetime
) -> PaymentNotice:
    return _notice(paid, "paid", "paid", credits, paid.amount, conversation_id, balance, now)


def _notice(
    transaction: Transaction,
    name: str,
    action: PaymentAction,
    credits: int,
    amount: int,
    conversation_id: str,
    balance: Balance,
    now: datetime,
) -> PaymentNotice:
    return PaymentNotice(
        transaction_id=transaction.id,
        effect=f"payment:{transaction.id}:{name}",
        action=action,
        credits=credits,
        amount=amount,
        currency=transaction.currency,
        client_user_id=transaction.client_user_id,
        trainer_user_id=transaction.trainer_user_id,
        trainer_id=transaction.trainer_id,
        conversation_id=conversation_id,
        balance=balance.amount,
        version=balance.version,
        at=now,
    )


def _refunded(transaction: Transaction) -> dict[str, object]:
    return {
        "status": transaction.status,
        "creditsRefunded": transaction.credits_refunded,
        "amountRefunded": transaction.amount_refunded,
    }


class _Changed(Exception):
    """Undoes what the transaction has done so far."""
