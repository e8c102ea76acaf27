"""A payment that the client's bank takes back: its unused credits are frozen, and the trainer's part comes back.

Forward only: an open dispute is won or lost, and what is decided stays. While it is open, credits that come back from
cancelled sessions are frozen as well, up to what the disputed money paid for.
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
    """``id`` is Stripe's. ``credits``: those frozen, in so many ``freezes``.

    ``takes_back``: it was seen while the money was with the bank, so that the trainer's part is fetched, be it late:
    ``taken_back`` is how much of the transfer that was, once it is known. ``given_back``: transferred anew, as it was
    won. ``attempt``: at what is still owed; another one where Stripe refused the last.
    """

    id: str
    transaction_id: str
    amount: int
    status: DisputeStatus
    credits: int = 0
    freezes: int = 0
    takes_back: bool = True
    taken_back: int | None = None
    given_back: bool = False
    attempt: int = 0
    created_at: datetime

    @property
    def owes(self) -> bool:
        """Whether Stripe has to be asked for something yet."""
        taking = self.takes_back and self.taken_back is None
        return taking or (self.status == "won" and bool(self.taken_back) and not self.given_back)


def next_state(
    transaction: Transaction, known: Dispute | None, found: DisputeAtStripe, unused: int, now: datetime
) -> Dispute:
    """After a look at Stripe; ``unused``: credits that may be of this payment."""
    before = known or Dispute(
        id=found.id,
        transaction_id=transaction.id,
        amount=found.amount,
        status=found.status,
        takes_back=found.status != "won",
        created_at=now,
    )
    if before.status != "open" and known is not None:
        return before
    if found.status == "won":
        return msgspec.structs.replace(before, status="won", credits=0)
    fresh = _freezable(transaction, before, unused)
    return msgspec.structs.replace(
        before, status=found.status, credits=before.credits + fresh, freezes=before.freezes + bool(fresh)
    )


def _freezable(transaction: Transaction, before: Dispute, unused: int) -> int:
    """Of the credits that the disputed money paid for, those that are unused."""
    gone = min(transaction.amount, transaction.amount_refunded + before.amount)
    due = gone * transaction.credits // transaction.amount - transaction.credits_refunded - before.credits
    return max(0, min(due, unused, transaction.credits_left))


def with_dispute(transaction: Transaction, before: Dispute | None, after: Dispute) -> Transaction:
    return msgspec.structs.replace(
        transaction,
        dispute=after.status,
        amount_disputed=transaction.amount_disputed + _at_bank(after) - _at_bank(before),
        credits_frozen=transaction.credits_frozen + after.credits - (before.credits if before else 0),
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


def lost_by_trainer(transaction: Transaction, taken_back: int) -> int:
    """Of a transfer's part that was fetched back: the platform's fee came back with it."""
    return taken_back - transaction.fee * taken_back // transaction.amount
