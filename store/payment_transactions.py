"""What a payment's step touches at once: one transaction each, from the row to the credits and the notice.

Stripe is never called within one.
"""

from __future__ import annotations

from datetime import datetime

from domain.payments import Notice, Transaction, grant_entry
from store.conversations import Conversations
from store.credits import Credits
from store.database import ClientSession, Database
from store.failures import repository
from store.idempotency import Claim, Idempotency
from store.payment_notices import PaymentNotices
from store.transactions import Transactions


@repository
class PaymentTransactions:
    def __init__(
        self,
        database: Database,
        transactions: Transactions,
        credits: Credits,
        conversations: Conversations,
        notices: PaymentNotices,
        idempotency: Idempotency,
    ) -> None:
        self._database = database
        self._transactions = transactions
        self._credits = credits
        self._conversations = conversations
        self._notices = notices
        self._idempotency = idempotency

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
            notice = Notice(
                transaction_id=paid.id,
                effect=f"payment:{paid.id}:paid",
                action="paid",
                credits=paid.credits,
                amount=paid.amount,
                currency=paid.currency,
                client_user_id=paid.client_user_id,
                trainer_user_id=paid.trainer_user_id,
                trainer_id=paid.trainer_id,
                conversation_id=conversation_id,
                balance=balance.amount,
                version=balance.version,
                at=now,
            )
            await self._notices.add(notice, session=session)
            return paid

        return await self._database.transaction(body)
