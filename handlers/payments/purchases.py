"""Buying sessions from a trainer, and the lists of what was bought and of what is left."""

from __future__ import annotations

from functools import partial

import msgspec

from domain.accounts import require_administrator
from domain.errors import Code, DomainError, not_found
from domain.payments import CREDITS, Intent, StripeRefused, Transaction, fee_of, price_of
from domain.times import to_wire
from domain.wire.pages import IdCursor, decode_id_cursor, page_of
from domain.wire.payments import (
    Buy,
    CreditAnswer,
    CreditPage,
    GetPurchase,
    ListAllTransactions,
    ListCredits,
    ListTransactions,
    PaymentSheet,
    PurchaseAnswer,
    TransactionAnswer,
    TransactionPage,
    transaction_answer,
)
from handlers.access import Actor, require_role, trainer_to_deal_with
from handlers.context import PaymentContext, ReadContext
from handlers.idempotency import begun_once
from handlers.payments import fulfilment
from handlers.payments.accounts import require_selling
from store.idempotency import Claim

_SCOPE = "purchase:create"


async def buy(context: PaymentContext, actor: Actor, command: Buy) -> PurchaseAnswer:
    """By a client, at the price that the trainer asks now. Raises ``conflict`` for a pack that is not offered or a
    trainer who cannot take money, and ``unavailable`` when Stripe does not answer: a repeat under the key goes on."""
    require_role(actor, "client")
    begin, find = partial(_begin, context, actor, command), context.store.transactions.by_id
    return await _answer(context, await begun_once(_SCOPE, context, actor, command, begin, find))


async def _begin(context: PaymentContext, actor: Actor, command: Buy, claimed: Claim | None) -> Transaction:
    trainer = await trainer_to_deal_with(context, actor, command.trainer_id)
    amount = price_of(await context.store.pricings.of(command.trainer_id), command.pack)
    account = await require_selling(context, command.trainer_id)
    now = context.now()
    transaction = Transaction(
        id=context.store.transactions.new_id(),
        client_id=actor.profile_id,
        trainer_id=command.trainer_id,
        client_user_id=actor.user_id,
        trainer_user_id=trainer.user_id,
        pack=command.pack,
        credits=CREDITS[command.pack],
        amount=amount,
        currency=context.payments.currency,
        fee=fee_of(amount, context.payments.fee_percent),
        destination=account.id,
        created_at=now,
        updated_at=now,
    )
    await context.store.payment_transactions.begin(transaction, claimed)
    return transaction


async def _answer(context: PaymentContext, transaction: Transaction) -> PurchaseAnswer:
    """As it was begun, whatever became of it since."""
    transaction, intent, customer = await fulfilment.begun(context, transaction)
    begun = msgspec.structs.replace(
        transaction,
        status="pending",
        credits_refunded=0,
        amount_refunded=0,
        dispute=None,
        amount_disputed=0,
        credits_frozen=0,
        paid_at=None,
        updated_at=transaction.created_at,
    )
    try:
        payment = await _sheet(context, intent, customer)
    except StripeRefused:
        # Its customer was deleted there.
        raise DomainError(Code.CONFLICT, "Stripe does not take this payment.") from None
    return PurchaseAnswer(**msgspec.structs.asdict(transaction_answer(begun)), payment=payment)


async def _sheet(context: PaymentContext, intent: Intent, customer: str) -> PaymentSheet:
    return PaymentSheet(
        client_secret=intent.client_secret,
        publishable_key=context.payments.publishable_key,
        customer=customer,
        customer_session_client_secret=await context.payments.customer_session(customer),
        api_base=context.payments.api_base or msgspec.UNSET,
    )


async def get_purchase(context: PaymentContext, actor: Actor, command: GetPurchase) -> TransactionAnswer:
    """By either party or an administrator. One that is open is compared with Stripe."""
    transaction = await context.store.transactions.by_id(command.purchase_id)
    if transaction is None or not (
        actor.is_admin or actor.user_id in (transaction.client_user_id, transaction.trainer_user_id)
    ):
        raise not_found("purchase")
    return transaction_answer(await fulfilment.glance(context, transaction))


async def list_transactions(context: ReadContext, actor: Actor, command: ListTransactions) -> TransactionPage:
    """One's own, the newest first; an administrator has none."""
    before = decode_id_cursor(command.cursor)
    if actor.is_admin:
        return TransactionPage(items=[], next_cursor=None)
    found = await context.store.transactions.page(
        before,
        command.limit + 1,
        client_id=actor.profile_id if actor.role == "client" else None,
        trainer_id=actor.profile_id if actor.role == "trainer" else None,
    )
    return _page(found, command.limit)


async def list_all_transactions(
    context: ReadContext, actor: Actor, command: ListAllTransactions
) -> TransactionPage:
    """The newest first."""
    require_administrator(actor.role)
    found = await context.store.transactions.page(
        decode_id_cursor(command.cursor),
        command.limit + 1,
        client_id=command.client,
        trainer_id=command.trainer,
        status=command.status,
    )
    return _page(found, command.limit)


def _page(found: list[Transaction], limit: int) -> TransactionPage:
    page, cursor = page_of(found, limit, lambda one: IdCursor(one.id))
    return TransactionPage(items=[transaction_answer(one) for one in page], next_cursor=cursor)


async def list_credits(context: ReadContext, actor: Actor, command: ListCredits) -> CreditPage:
    """What a client has left with its trainers, or clients with this trainer; an administrator has none."""
    after = decode_id_cursor(command.cursor)
    if actor.is_admin:
        return CreditPage(items=[], next_cursor=None)
    side = "client" if actor.role == "client" else "trainer"
    found = await context.store.credits.page(side, actor.profile_id, after, command.limit + 1)
    page, cursor = page_of(found, command.limit, lambda one: IdCursor(one.id))
    return CreditPage(
        items=[
            CreditAnswer(
                id=one.id,
                client=one.balance.client_id,
                trainer=one.balance.trainer_id,
                amount_of_credit=one.balance.amount,
                version=one.balance.version,
                created_at=to_wire(one.created_at),
                updated_at=to_wire(one.updated_at),
            )
            for one in page
        ],
        next_cursor=cursor,
    )
