"""Instants on the wire: RFC 3339 in UTC with milliseconds and ``Z``."""

from __future__ import annotations

from datetime import UTC, datetime

from domain.errors import invalid


def to_wire(instant: datetime) -> str:
    """``2026-11-22T09:30:00.000Z``; the instant must be aware and in UTC."""
    return instant.isoformat(timespec="milliseconds")[:-6] + "Z"


def to_wire_or_none(instant: datetime | None) -> str | None:
    return None if instant is None else to_wire(instant)


def from_wire(text: str, field: str) -> datetime:
    """The instant a client named; raises ``validation_failed`` for ``field``."""
    try:
        instant = datetime.fromisoformat(text.upper())
    except ValueError:
        raise invalid(field, "is not an RFC 3339 instant") from None
    if instant.tzinfo is None or "T" not in text.upper():
        raise invalid(field, "is not an RFC 3339 instant with an offset")
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        raise invalid(field, "is out of range") from None


def whole_milliseconds(instant: datetime) -> datetime:
    """Cut to the precision that MongoDB stores and the wire shows."""
    return instant.replace(microsecond=instant.microsecond // 1000 * 1000)


def from_milliseconds(milliseconds: int) -> datetime | None:
    """Since 1970; 0 stands for unknown."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC) if milliseconds else None
