"""Credits, entries of an append-only ledger whose sum is the balance; and the week that a free trial counts for."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from zoneinfo import ZoneInfo

import msgspec

EntryKind = Literal["grant", "consume", "return", "forfeit", "spend", "refund", "dispute"]


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


def refund(refund_id: str) -> str:
    return f"refund:{refund_id}"


def dispute(dispute_id: str) -> str:
    return f"dispute:{dispute_id}"


def iso_week(starts_at: datetime, time_zone: str) -> str:
    """The week of the session in the trainer's zone, e.g. ``2026-W48``."""
    year, week, _ = starts_at.astimezone(ZoneInfo(time_zone)).isocalendar()
    return f"{year}-W{week:02d}"
