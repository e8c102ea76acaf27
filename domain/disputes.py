"""A payment that the client's bank takes back: its unused credits are frozen, and the trainer's part comes back.

Forward only: an open dispute is won or lost, and what is won stays so. Unless it is won, credits that come back from
cancelled sessions are frozen as well, up to what the disputed money paid for (``owed_credits``).
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from domain.credits import CreditEntry
from domain.credits import dispute as dispute_effect
from domain.payments import DisputeStatus, PaymentAction, Transaction


class DisputeAtStripe(msgspec.Struct, frozen=True, kw_only=True):
    """One for which the bank has taken money, or had."""

    id: str
    amount: int
    status: DisputeStatus


class Dispute(msgspec.Struct, frozen=True, kw_only=True):
    """``id`` is Stripe's. ``credits``: those frozen, in so many ``freezes`` and from sessions that gave them back."""

    id: str
    transaction_id: str
    amount: int
    status: DisputeStatus
    credits: int = 0
    freezes: int = 0
    created_at: datetime


def next_state(
    transaction: Transaction, known: Dispute | None, found: DisputeAtStripe, unused: int, now: datetime
) -> tuple[Dispute, int]:
    """After a look at Stripe, and how many credits more are owed; ``unused``: credits that may be of this payment."""
    before = known or Dispute(
        id=found.id, transaction_id=transaction.id, amount=found.amount, status=found.status, created_at=now
    )
    if before.status == "won":
        return before, 0
    if found.status == "won":
        return msgspec.structs.replace(before, status="won", credits=0), 0
    due = _due(transaction, transaction.amount_disputed + (found.amount if known is None else 0))
    fresh = min(due, unused)
    # A lost one is not opened again.
    status = found.status if before.status == "open" else before.status
    after = msgspec.structs.replace(
        before, status=status, credits=before.credits + fresh, freezes=before.freezes + bool(fresh)
    )
    return after, due - fresh


def _due(transaction: Transaction, disputed: int) -> int:
    """Of the credits whose money has gone, those that have not gone with it and are not owed yet."""
    gone = min(transaction.amount, transaction.amount_refunded + disputed)
    counted = transaction.credits_refunded + transaction.credits_frozen + transaction.credits_owed
    return max(0, min(gone * transaction.credits // transaction.amount - counted, transaction.credits_left))


def with_dispute(transaction: Transaction, before: Dispute | None, after: Dispute, owes: int) -> Transaction:
    """``owes``: so many credits more, or fewer."""
    return msgspec.structs.replace(
        transaction,
        dispute=after.status,
        amount_disputed=transaction.amount_disputed + _at_bank(after) - _at_bank(before),
        credits_frozen=transaction.credits_frozen + after.credits - (before.credits if before else 0),
        credits_owed=transaction.credits_owed + owes,
    )


def _at_bank(dispute: Dispute | None) -> int:
    return 0 if dispute is None or dispute.status == "won" else dispute.amount


def dispute_entry(transaction: Transaction, before: Dispute | None, after: Dispute, now: datetime) -> CreditEntry:
    """What the step takes from the client's credit, or gives back."""
    name = after.id
    if after.status == "won":
        name = f"{after.id}:won"
    elif after.freezes > 1:
        name = f"{after.id}:{after.freezes}"
    return CreditEntry(
        client_id=transaction.client_id,
        trainer_id=transaction.trainer_id,
        effect=dispute_effect(name),
        kind="dispute",
        amount=(before.credits if before else 0) - after.credits,
        created_at=now,
    )


def action_of(before: Dispute | None, after: Dispute) -> PaymentAction | None:
    """What both are told; nothing where only more was frozen, or all was over before it was seen."""
    if before is not None and before.status == after.status:
        return None
    if after.status == "won":
        return "dispute_won" if before is not None else None
    return "disputed" if after.status == "open" else "dispute_lost"
