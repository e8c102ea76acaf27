"""Slots: what a schedule offers, and what of it is free. The offer and the booking use the same functions."""

from __future__ import annotations

from datetime import datetime

import msgspec


class Slot(msgspec.Struct, frozen=True):
    """Instants in UTC."""

    starts_at: datetime
    ends_at: datetime


class Busy(msgspec.Struct, frozen=True):
    """An active booking's time, with the pause in minutes that it was made with."""

    starts_at: datetime
    ends_at: datetime
    pause: int
