"""A trainer's part of a payment: what the trainer has of it at Stripe beside what there is to have (``earnings.net``).

Ordinarily Stripe sees to it: the charge is transferred, and a refund takes its share back. Where it does not (a refund
that a bank sends back, a dispute, a refund made without us), moves bring it to what it should be, one at a time.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from domain.earnings import net
from domain.payments import Transaction


class TrainerPart(msgspec.Struct, frozen=True, kw_only=True):
    """What a transfer has left with the trainer, less the fee that the platform kept of it."""

    transfer_id: str
    left: int


class Move(msgspec.Struct, frozen=True, kw_only=True):
    """The ``number``-th of a payment, committed before Stripe is asked: so much to the trainer, or, below zero, back
    from the transfer that is named."""

    number: int
    amount: int
    transfer_id: str | None = None


def next_move(transaction: Transaction, number: int, parts: Sequence[TrainerPart]) -> Move | None:
    """Nothing when the trainer has what there is to have. ``parts``: from which is taken first."""
    if not parts:
        return None
    missing = net(transaction) - sum(one.left for one in parts)
    if missing > 0:
        return Move(number=number, amount=missing)
    source = next((one for one in parts if one.left > 0), None)
    if missing == 0 or source is None:
        return None
    return Move(number=number, amount=-min(-missing, source.left), transfer_id=source.transfer_id)
