"""Purchases of sessions: what is sold, the Transaction table, and what Stripe says of a payment.

Amounts are integers in minor units of the deployment's currency.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Literal

import msgspec

from domain.catalogue import Pricing
from domain.credits import CreditEntry, grant
from domain.errors import Code, DomainError
from domain.stored import StoredFormat

Pack = Literal["single", "five", "ten"]
CREDITS: dict[Pack, int] = {"single": 1, "five": 5, "ten": 10}
TransactionStatus = Literal["pending", "paid", "failed", "refunded", "partially_refunded"]
# Those that may still be paid: of a declined one the next card may be good, until its intent is cancelled.
OPEN: frozenset[TransactionStatus] = frozenset({"pending", "failed"})
PaymentAction = Literal["paid", "refunded", "disputed", "dispute_won", "dispute_lost"]
# The money is with the bank (and, lost, stays there), or has come back.
DisputeStatus = Literal["open", "won", "lost"]
# An intent that nobody has paid by then is cancelled.
OPEN_LASTS = timedelta(hours=24)
# How long a slot is kept for who pays it by card.
HOLD_LASTS = timedelta(minutes=15)
# How long after the last look an open one is looked at again, by its age.
_PAUSES = ((timedelta(minutes=10), timedelta(minutes=1)), (timedelta(hours=2), timedelta(minutes=10)))
_LONGEST_PAUSE = timedelta(hours=1)


class Transaction(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the Transaction table: the intent to sell so many credits, made before Stripe is asked.

    ``intent_id``: of Stripe's PaymentIntent, once it is known. ``destination``: the trainer's account there.
    ``closed``: the intent is cancelled, nothing can be paid any more. ``booking_id``: of the hold that it pays for,
    which lasts until ``held_until``. ``dispute``: of the last one; ``amount_disputed``: what is with the bank, and
    ``credits_frozen`` what was taken from the client's credit for it. ``credits_owed``: those in sessions ahead whose
    money has gone; they are taken when they come back.
    """

    id: str
    client_id: str
    trainer_id: str
    client_user_id: str
    trainer_user_id: str
    pack: Pack
    credits: int
    amount: int
    currency: str
    fee: int
    destination: str
    status: TransactionStatus = "pending"
    closed: bool = False
    intent_id: str | None = None
    booking_id: str | None = None
    held_until: datetime | None = None
    credits_refunded: int = 0
    amount_refunded: int = 0
    dispute: DisputeStatus | None = None
    amount_disputed: int = 0
    credits_frozen: int = 0
    credits_owed: int = 0
    paid_at: datetime | None = None
    created_at: datetime
    updated_at: datetime

    @property
    def is_open(self) -> bool:
        return self.status in OPEN and not self.closed

    @property
    def credits_left(self) -> int:
        """Neither refunded nor frozen nor owed; some of them may have been used."""
        return self.credits - self.credits_refunded - self.credits_frozen - self.credits_owed


class Intent(msgspec.Struct, frozen=True, kw_only=True):
    """A PaymentIntent as Stripe answers it. ``declined``: the last card was not good."""

    id: str
    status: str
    amount: int
    received: int
    currency: str
    destination: str | None
    declined: bool
    client_secret: str = ""


class ListedIntent(msgspec.Struct, frozen=True, kw_only=True):
    """One of Stripe's list. ``purchase``: what its metadata claims; ``refunded``: of its amount."""

    intent: Intent
    purchase: str | None
    refunded: int


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """A trainer's account at Stripe. ``submitted``: its owner has completed the onboarding."""

    id: str
    submitted: bool
    charges_enabled: bool
    payouts_enabled: bool


class Link(msgspec.Struct, frozen=True, kw_only=True):
    url: str
    expires_at: datetime


class Incoming(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of an event of Stripe's: where to look. Nothing else of it is believed.

    ``account``: the connected account whose it is; ``purchase``: what its metadata claims.
    """

    id: str
    type: str
    account: str | None = None
    intent: str | None = None
    purchase: str | None = None


class StripeRefused(Exception):
    """Stripe will not do it, however often it is asked. ``code``: Stripe's own."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def price_of(pricing: Pricing, pack: Pack) -> int:
    """For the whole pack; raises ``conflict`` for one that is not offered."""
    offered = {
        "single": (pricing.is_individual_session_available, pricing.individual_session_price),
        "five": (pricing.is_five_session_available, pricing.five_session_price),
        "ten": (pricing.is_ten_session_available, pricing.ten_session_price),
    }
    available, price = offered[pack]
    if not available or price is None:
        raise DomainError(Code.CONFLICT, "The trainer does not sell this pack.")
    return price


def fee_of(amount: int, percent: Decimal) -> int:
    """What the platform keeps of an amount; half a unit is rounded up."""
    return int((amount * percent / 100).quantize(Decimal(1), ROUND_HALF_UP))


def fits(transaction: Transaction, intent: Intent) -> bool:
    """Whether what was paid is what was sold: amount, currency and who gets it."""
    return (
        intent.id == transaction.intent_id
        and intent.amount == intent.received == transaction.amount
        and intent.currency == transaction.currency
        and intent.destination == transaction.destination
    )


def next_look(transaction: Transaction, now: datetime) -> datetime | None:
    """When Stripe is asked about it again, whether or not an event comes; nothing for one that is over."""
    if not transaction.is_open:
        return None
    age = now - transaction.created_at
    at = now + next((pause for until, pause in _PAUSES if age < until), _LONGEST_PAUSE)
    held_until = transaction.held_until
    return min(at, held_until) if held_until is not None and now < held_until else at


def grant_entry(transaction: Transaction, now: datetime) -> CreditEntry:
    return CreditEntry(
        client_id=transaction.client_id,
        trainer_id=transaction.trainer_id,
        effect=grant(transaction.id),
        kind="grant",
        amount=transaction.credits,
        created_at=now,
    )


class PaymentNotice(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a payment, on its way to the log and to the phones.

    ``effect`` happens once. ``balance`` and ``version``: the client's credit afterwards.
    """

    transaction_id: str
    effect: str
    action: PaymentAction
    credits: int
    amount: int
    currency: str
    client_user_id: str
    trainer_user_id: str
    trainer_id: str
    conversation_id: str
    balance: int
    version: int
    at: datetime


NOTICE = StoredFormat(PaymentNotice, msgspec.msgpack)


class PaymentNote(msgspec.Struct, frozen=True, kw_only=True):
    """As the log holds it."""

    purchase_id: str
    action: PaymentAction
    credits: int
    amount: int
    currency: str


class PaymentEntry(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The same on the wire."""

    purchase_id: str
    action: PaymentAction
    credits: int
    amount: int
    currency: str


def to_entry(note: PaymentNote) -> PaymentEntry:
    return PaymentEntry(
        purchase_id=note.purchase_id,
        action=note.action,
        credits=note.credits,
        amount=note.amount,
        currency=note.currency,
    )


# Currencies whose smallest unit at Stripe is not a hundredth.
_WHOLE = frozenset(
    {"bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf"}
)
_THOUSANDTHS = frozenset({"bhd", "jod", "kwd", "omr", "tnd"})


def in_words(amount: int, currency: str) -> str:
    """``225.00 USD``."""
    digits = 0 if currency in _WHOLE else 3 if currency in _THOUSANDTHS else 2
    return f"{Decimal(amount).scaleb(-digits):.{digits}f} {currency.upper()}"
