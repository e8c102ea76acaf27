"""Refunds of unused credits: ours, and those made at Stripe without us."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from domain.credits import CreditEntry
from domain.credits import refund as refund_effect
from domain.errors import Code, DomainError
from domain.payments import Transaction, TransactionStatus

# Why we refund: an administrator asked for it, or one of the two was erased.
RefundReason = Literal["asked", "erased"]


class Refund(msgspec.Struct, frozen=True, kw_only=True):
    """Credits given back for their money: the intent, made before Stripe is asked, or what was done there without us.

    ``reason``: nothing for what was done without us. ``stripe_id``: of Stripe's refund, once it is known. ``owes``: so
    many more credits it has paid for that are in use. ``reverses``: Stripe takes the trainer's share back with it; not
    where the share no longer lies where the payment put it (``trainer_parts``).
    """

    id: str
    transaction_id: str
    credits: int
    amount: int
    reason: RefundReason | None = None
    by: str | None = None
    stripe_id: str | None = None
    owes: int = 0
    reverses: bool = True
    created_at: datetime


class RefundAtStripe(msgspec.Struct, frozen=True, kw_only=True):
    """``refund_id``: ours, where we asked for it. ``failed``: the bank has sent the money back."""

    id: str
    amount: int
    failed: bool = False
    refund_id: str | None = None


# Paid for, with something left to give back.
REFUNDABLE: frozenset[TransactionStatus] = frozenset({"paid", "partially_refunded"})


def refund_of(
    transaction: Transaction,
    refund_id: str,
    balance: int,
    credits: int | None,
    by: str | None,
    now: datetime,
    *,
    reverses: bool,
) -> Refund:
    """Of so many unused credits, or all of them; raises ``conflict`` when there are not so many. ``by``: an
    administrator, nobody where one of the two was erased."""
    if transaction.status not in REFUNDABLE:
        raise DomainError(Code.CONFLICT, f"The payment is {transaction.status.replace('_', ' ')}.")
    if transaction.amount_disputed:
        raise DomainError(Code.CONFLICT, "The payment is disputed at the client's bank.")
    unused = min(transaction.credits_left, balance)
    wanted = unused if credits is None else credits
    if not 0 < wanted <= unused:
        raise DomainError(Code.CONFLICT, f"There are {unused} unused credits of this payment.")
    # By what is given back altogether, so that the parts of a price that does not divide come to the whole.
    given_back = transaction.credits_refunded + transaction.credits_owed + wanted
    through = transaction.amount * given_back // transaction.credits
    amount = through - transaction.amount_refunded
    if amount <= 0:
        raise DomainError(Code.CONFLICT, "As much has been refunded already.")
    return Refund(
        id=refund_id,
        transaction_id=transaction.id,
        credits=wanted,
        amount=amount,
        reason="erased" if by is None else "asked",
        by=by,
        reverses=reverses,
        created_at=now,
    )


def absorbed(
    transaction: Transaction, found: RefundAtStripe, refund_id: str, balance: int, now: datetime
) -> Refund | None:
    """What was refunded without us takes the credits that it paid for, as far as they are unused; the others are
    owed. Nothing where both come to more than was paid: then one of ours is still counted that Stripe will refuse."""
    refunded = transaction.amount_refunded + found.amount
    if refunded > transaction.amount:
        return None
    due = refunded * transaction.credits // transaction.amount - transaction.credits_refunded - transaction.credits_owed
    due = max(0, min(due, transaction.credits_left))
    return Refund(
        id=refund_id,
        transaction_id=transaction.id,
        credits=min(due, balance),
        owes=max(0, due - balance),
        amount=found.amount,
        stripe_id=found.id,
        created_at=now,
    )


def after_refund(transaction: Transaction, refund: Refund, sign: int = 1) -> Transaction:
    """``sign``: -1 for one that Stripe refused, or the client's bank."""
    amount = transaction.amount_refunded + sign * refund.amount
    status: TransactionStatus = "paid"
    if amount:
        status = "refunded" if amount == transaction.amount else "partially_refunded"
    return msgspec.structs.replace(
        transaction,
        status=status,
        amount_refunded=amount,
        credits_refunded=transaction.credits_refunded + sign * refund.credits,
        credits_owed=transaction.credits_owed + sign * refund.owes,
    )


def sent_back(transaction: Transaction, refund: Refund) -> Refund:
    """With all credits that come back when the bank does not take it: parts are rounded, and what is left refunded may
    have paid for fewer than the other parts took."""
    left = transaction.amount_refunded - refund.amount
    # An amount of ours is less than a unit a credit below its share.
    paid_for = (left + transaction.credits) * transaction.credits // transaction.amount
    others = transaction.credits_refunded - refund.credits
    return msgspec.structs.replace(refund, credits=refund.credits + max(0, others - paid_for))


def refund_entry(transaction: Transaction, refund: Refund, now: datetime, sign: int = -1) -> CreditEntry:
    """``sign``: 1 where Stripe or the client's bank refused and the credits come back."""
    return CreditEntry(
        client_id=transaction.client_id,
        trainer_id=transaction.trainer_id,
        effect=refund_effect(refund.stripe_id or refund.id) if sign < 0 else refund_effect(f"{refund.id}:refused"),
        kind="refund",
        amount=sign * refund.credits,
        created_at=now,
    )
