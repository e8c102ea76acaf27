"""The catalogue: categories of sessions, what each trainer offers of them, and at which prices and terms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from domain.errors import FieldError, invalid_fields


class Category(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the SessionCategory table."""

    id: str
    name: str
    created_at: datetime
    updated_at: datetime


class SubCategory(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the SessionSubCategory table."""

    id: str
    name: str
    category_id: str
    created_at: datetime
    updated_at: datetime


class Specialization(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the Specialization table: a category, and the part of it that the trainer offers."""

    id: str
    trainer_id: str
    category_id: str
    sub_category_ids: tuple[str, ...]


def require_known(
    offered: Sequence[Specialization], categories: Mapping[str, Category], subs: Mapping[str, SubCategory]
) -> None:
    """Each category exists and is named once, with subcategories of its own; raises ``validation_failed``."""
    named: set[str] = set()
    faults: list[FieldError] = []
    for place, one in enumerate(offered):
        field = f"specializations[{place}].sessionCategory"
        if one.category_id not in categories:
            faults.append(FieldError(field, "has to be the id of a category"))
        if one.category_id in named:
            faults.append(FieldError(field, "is named twice: once is enough"))
        named.add(one.category_id)
        for index, sub_id in enumerate(one.sub_category_ids):
            sub = subs.get(sub_id)
            if sub is None or sub.category_id != one.category_id:
                of_sub = f"specializations[{place}].subCategories[{index}]"
                faults.append(FieldError(of_sub, "has to be the id of a subcategory of this category"))
    if faults:
        raise invalid_fields(faults)


class Certificate(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the TrainerCertificate table; ``document`` is a file."""

    id: str
    trainer_id: str
    name: str
    document: str | None
    about: str | None
    created_at: datetime
    updated_at: datetime


class Bookmark(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the Bookmark table."""

    id: str
    client_id: str
    trainer_id: str
    created_at: datetime
    updated_at: datetime


class Review(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the Review table: what a client says of one session."""

    id: str
    booking_id: str
    trainer_id: str
    client_id: str
    rating: int
    comment: str | None
    created_at: datetime
    updated_at: datetime


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
    faults: list[FieldError] = []
    for offered, price, field in (
        (pricing.is_individual_session_available, pricing.individual_session_price, "individualSessionPrice"),
        (pricing.is_five_session_available, pricing.five_session_price, "fiveSessionPrice"),
        (pricing.is_ten_session_available, pricing.ten_session_price, "tenSessionPrice"),
    ):
        if offered and price is None:
            faults.append(FieldError(field, "is required where it is offered"))
    if pricing.free_trial and pricing.weekly_trial_limit < 1:
        faults.append(FieldError("weeklyTrialLimit", "has to be at least 1 where there is a free trial"))
    if faults:
        raise invalid_fields(faults)
