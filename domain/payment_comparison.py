"""What Stripe holds of a payment beside what we hold: they have to agree once nothing is under way any more."""

from __future__ import annotations

from typing import Literal

import msgspec

from domain.payments import OPEN, ListedIntent, Transaction, fits

Kind = Literal[
    "unknown here", "unknown at Stripe", "a second payment", "not what was sold", "paid at Stripe only",
    "paid here only", "refunded differently", "refund refused",
]  # fmt: skip


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """``ours`` and ``theirs``: the fields as each side has them; nothing of what is not there."""

    intent_id: str
    purchase_id: str
    kind: Kind
    ours: dict[str, object] | None
    theirs: dict[str, object] | None


def compare(ours: Transaction | None, listed: ListedIntent) -> Difference | None:
    """Nothing where they agree, and for an intent that is not of a purchase."""
    purchase_id = ours.id if ours is not None else listed.purchase
    kind = _kind(ours, listed)
    if kind is None or purchase_id is None:
        return None
    intent = listed.intent
    theirs: dict[str, object] = {
        "intent": intent.id,
        "status": intent.status,
        "amount": intent.amount,
        "received": intent.received,
        "currency": intent.currency,
        "destination": intent.destination,
        "refunded": listed.refunded,
    }
    return Difference(
        intent_id=intent.id,
        purchase_id=purchase_id,
        kind=kind,
        ours=None if ours is None else _ours(ours),
        theirs=theirs,
    )


def missing_at_stripe(ours: Transaction) -> Difference:
    assert ours.intent_id is not None
    return Difference(
        intent_id=ours.intent_id, purchase_id=ours.id, kind="unknown at Stripe", ours=_ours(ours), theirs=None
    )


def refund_refused(ours: Transaction, credits: int) -> Difference:
    """Stripe will not give back what nobody can use any more. ``credits``: that are left of it."""
    assert ours.intent_id is not None
    return Difference(
        intent_id=ours.intent_id,
        purchase_id=ours.id,
        kind="refund refused",
        ours={**_ours(ours), "credits": credits},
        theirs=None,
    )


def _kind(ours: Transaction | None, listed: ListedIntent) -> Kind | None:
    intent = listed.intent
    paid = intent.status == "succeeded"
    if ours is None:
        return "unknown here" if paid else None
    if ours.intent_id != intent.id:
        return "a second payment" if paid else None
    if not paid:
        return None if ours.status in OPEN else "paid here only"
    if not fits(ours, intent):
        return "not what was sold"
    if ours.status in OPEN:
        return "paid at Stripe only"
    return None if ours.amount_refunded == listed.refunded else "refunded differently"


def _ours(ours: Transaction) -> dict[str, object]:
    return {
        "intent": ours.intent_id,
        "status": ours.status,
        "amount": ours.amount,
        "currency": ours.currency,
        "destination": ours.destination,
        "refunded": ours.amount_refunded,
    }
