"""Commands and answers of payments; amounts in minor units."""

from __future__ import annotations

from typing import Annotated

import msgspec

from domain.earnings import EarningStatus
from domain.payments import DisputeStatus, Pack, Transaction, TransactionStatus
from domain.times import to_wire, to_wire_or_none
from domain.wire.base import Answer, Command
from domain.wire.fields import Cursor, Date, Id, PageSize


class Buy(Command, frozen=True, kw_only=True):
    trainer_id: Id
    pack: Pack


class GetPurchase(Command, frozen=True, kw_only=True):
    purchase_id: Id


class RefundTransaction(Command, frozen=True, kw_only=True):
    """``credits``: all that are unused where it is left out."""

    id: Id
    credits: Annotated[int, msgspec.Meta(ge=1, le=10)] | None = None


class ListTransactions(Command, frozen=True, kw_only=True):
    cursor: Cursor | None = None
    limit: PageSize = 20


class ListAllTransactions(Command, frozen=True, kw_only=True):
    """``client`` and ``trainer``: ids of their profiles."""

    status: TransactionStatus | None = None
    client: Id | None = None
    trainer: Id | None = None
    cursor: Cursor | None = None
    limit: PageSize = 20


class ListEarnings(Command, frozen=True, kw_only=True):
    """Dates in the trainer's zone, inclusive, at most three years; by default the last twelve months."""

    since: Date | None = msgspec.field(name="from", default=None)
    until: Date | None = msgspec.field(name="to", default=None)
    cursor: Cursor | None = None
    limit: PageSize = 20


class ListCredits(Command, frozen=True, kw_only=True):
    cursor: Cursor | None = None
    limit: PageSize = 20


class StripeEvent(msgspec.Struct, frozen=True, kw_only=True):
    """As it came: the body is signed byte by byte."""

    payload: bytes
    signature: str


class Received(Answer, frozen=True, kw_only=True):
    received: bool = True


class PaymentSheet(Answer, frozen=True, kw_only=True):
    """What a device confirms the payment with, at Stripe; ``api_base`` where something stands in for it."""

    client_secret: str
    publishable_key: str
    customer: str
    customer_session_client_secret: str
    api_base: str | msgspec.UnsetType = msgspec.UNSET


class TransactionAnswer(Answer, frozen=True, kw_only=True):
    """``id`` is the purchase's; ``transaction_id`` Stripe's, once it is known; ``booking``: what is paid by card.
    ``dispute``: of the client's bank, where there is or was one; ``credits_frozen`` are gone unless it is won."""

    id: str
    client: str
    trainer: str
    pack: Pack
    credits: int
    amount: int
    currency: str
    status: TransactionStatus
    transaction_id: str | None
    booking: str | msgspec.UnsetType = msgspec.UNSET
    credits_refunded: int
    amount_refunded: int
    dispute: DisputeStatus | None
    amount_disputed: int
    credits_frozen: int
    paid_at: str | None
    created_at: str
    updated_at: str


class PurchaseAnswer(TransactionAnswer, frozen=True, kw_only=True):
    payment: PaymentSheet


class TransactionPage(Answer, frozen=True, kw_only=True):
    items: list[TransactionAnswer]
    next_cursor: str | None


class EarningSumAnswer(Answer, frozen=True, kw_only=True):
    """Of the payments of one month of the trainer's zone (``2026-11``) and one status. ``net`` is the trainer's: the
    amount less what was refunded or disputed, less the platform's ``fee`` for the rest."""

    month: str
    status: EarningStatus
    currency: str
    count: int
    amount: int
    amount_refunded: int
    amount_disputed: int
    fee: int
    net: int


class EarningAnswer(Answer, frozen=True, kw_only=True):
    """One payment; ``id`` is the Transaction's. ``client_name``: as the client calls itself now."""

    id: str
    client: str
    client_name: str
    pack: Pack
    credits: int
    status: EarningStatus
    currency: str
    amount: int
    amount_refunded: int
    amount_disputed: int
    fee: int
    net: int
    paid_at: str


class EarningPage(Answer, frozen=True, kw_only=True):
    """``sums``: of all payments from ``from`` to ``to``; ``items``: those of this page, the latest first."""

    time_zone: str
    since: str = msgspec.field(name="from")
    until: str = msgspec.field(name="to")
    sums: list[EarningSumAnswer]
    items: list[EarningAnswer]
    next_cursor: str | None


class CreditAnswer(Answer, frozen=True, kw_only=True):
    """A row of the Credit table; of two the one with the higher ``version`` holds."""

    id: str
    client: str
    trainer: str
    amount_of_credit: Annotated[int, msgspec.Meta(ge=0)]
    version: int
    created_at: str
    updated_at: str


class CreditPage(Answer, frozen=True, kw_only=True):
    items: list[CreditAnswer]
    next_cursor: str | None


class OnboardingAnswer(Answer, frozen=True, kw_only=True):
    """A page of Stripe's, good for one visit within minutes."""

    url: str
    expires_at: str


class DashboardAnswer(Answer, frozen=True, kw_only=True):
    url: str


class StripeState(Answer, frozen=True, kw_only=True):
    """As Stripe says now. ``is_stripe_connected``: the onboarding is completed."""

    is_stripe_connected: bool
    charges_enabled: bool
    payouts_enabled: bool


def transaction_answer(transaction: Transaction) -> TransactionAnswer:
    return TransactionAnswer(
        id=transaction.id,
        client=transaction.client_id,
        trainer=transaction.trainer_id,
        pack=transaction.pack,
        credits=transaction.credits,
        amount=transaction.amount,
        currency=transaction.currency,
        status=transaction.status,
        transaction_id=transaction.intent_id,
        booking=transaction.booking_id or msgspec.UNSET,
        credits_refunded=transaction.credits_refunded,
        amount_refunded=transaction.amount_refunded,
        dispute=transaction.dispute,
        amount_disputed=transaction.amount_disputed,
        credits_frozen=transaction.credits_frozen,
        paid_at=to_wire_or_none(transaction.paid_at),
        created_at=to_wire(transaction.created_at),
        updated_at=to_wire(transaction.updated_at),
    )
