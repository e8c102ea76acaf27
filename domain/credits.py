"""Credits: entries of an append-only ledger; the balance is their sum."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

EntryKind = Literal["grant", "consume", "return", "forfeit", "spend"]


class CreditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """``effect`` names what happened and happens once for a client; ``amount`` is signed, 0 for what only settles."""

    client_id: str
    trainer_id: str
    effect: str
    kind: EntryKind
    amount: int
    booking_id: str | None = None
    created_at: datetime


class Balance(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the Credit table; ``version`` grows with each change."""

    client_id: str
    trainer_id: str
    amount: int
    version: int


def grant(purchase_id: str) -> str:
    return f"grant:{purchase_id}"


def consume(booking_id: str) -> str:
    return f"consume:{booking_id}"


def settle(booking_id: str) -> str:
    """Returned, forfeited or spent: one of them."""
    return f"settle:{booking_id}"
