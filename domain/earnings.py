"""What a trainer has from a payment: its amount less what went back and less the platform's fee for the rest."""

from __future__ import annotations

from typing import Literal

import msgspec

from domain.payments import Transaction, TransactionStatus

EarningStatus = Literal["paid", "partially_refunded", "refunded", "disputed", "dispute_lost"]


class EarningSum(msgspec.Struct, frozen=True, kw_only=True):
    """Of the payments of one month (``2026-11``, in the trainer's zone) and status."""

    month: str
    status: EarningStatus
    currency: str
    count: int
    amount: int
    fee: int
    amount_refunded: int
    amount_disputed: int
    net: int


def status_of(transaction: Transaction) -> EarningStatus:
    if transaction.amount_disputed:
        return "dispute_lost" if transaction.dispute == "lost" else "disputed"
    return _PAID[transaction.status]


_PAID: dict[TransactionStatus, EarningStatus] = {
    "paid": "paid", "partially_refunded": "partially_refunded", "refunded": "refunded"
}  # fmt: skip


def fee_kept(transaction: Transaction) -> int:
    """With what goes back to the client goes its share of the fee."""
    gone = min(transaction.amount, transaction.amount_refunded + transaction.amount_disputed)
    return transaction.fee - transaction.fee * gone // transaction.amount


def net(transaction: Transaction) -> int:
    gone = min(transaction.amount, transaction.amount_refunded + transaction.amount_disputed)
    return transaction.amount - gone - fee_kept(transaction)
