"""What a trainer sells, and on which terms."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

import msgspec

from domain.errors import invalid

CancellationPolicy = Literal["ALWAYS_FREE", "UPTO12HR", "UPTO24HR"]

# How long before the start a client may cancel freely.
NOTICE: dict[CancellationPolicy, timedelta] = {
    "ALWAYS_FREE": timedelta(),
    "UPTO12HR": timedelta(hours=12),
    "UPTO24HR": timedelta(hours=24),
}


class Pricing(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the Pricing table; prices in minor units, those of packs for the whole pack.

    A trainer who has not said anything sells nothing and lets everybody cancel.
    """

    trainer_id: str
    free_trial: bool = False
    weekly_trial_limit: int = 0
    cancellation_policy: CancellationPolicy = "ALWAYS_FREE"
    individual_session_price: int | None = None
    is_individual_session_available: bool = False
    five_session_price: int | None = None
    is_five_session_available: bool = False
    ten_session_price: int | None = None
    is_ten_session_available: bool = False
    updated_at: datetime | None = None


def require_sound(pricing: Pricing) -> None:
    """What is offered has a price, and a trial a weekly limit; raises ``validation_failed``."""
    for offered, price, field in (
        (pricing.is_individual_session_available, pricing.individual_session_price, "individualSessionPrice"),
        (pricing.is_five_session_available, pricing.five_session_price, "fiveSessionPrice"),
        (pricing.is_ten_session_available, pricing.ten_session_price, "tenSessionPrice"),
    ):
        if offered and price is None:
            raise invalid(field, "is required where it is offered")
    if pricing.free_trial and pricing.weekly_trial_limit < 1:
        raise invalid("weeklyTrialLimit", "has to be at least 1 where there is a free trial")
