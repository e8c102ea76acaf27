"""The catalogue on the wire. A file field holds a signed URL."""

from __future__ import annotations

import msgspec

from domain.answers import Answer
from domain.catalogue import Category, SubCategory
from domain.instants import to_wire, to_wire_or_none
from domain.pricing import CancellationPolicy, Pricing


class UserReference(Answer, frozen=True, kw_only=True):
    """By which conversations are opened."""

    id: str


class Rating(Answer, frozen=True, kw_only=True):
    """``average`` is null until there is a review."""

    average: float | None
    count: int


class PricingAnswer(Answer, frozen=True, kw_only=True):
    """Prices in minor units, those of packs for the whole pack; ``updatedAt`` is null until the trainer set them."""

    trainer: str
    free_trial: bool
    weekly_trial_limit: int
    cancellation_policy: CancellationPolicy = msgspec.field(name="cancelReshedulePolicy")
    individual_session_price: int | None
    is_individual_session_available: bool = msgspec.field(name="isIndividualSesionAvailable")
    five_session_price: int | None
    is_five_session_available: bool
    ten_session_price: int | None
    is_ten_session_available: bool
    updated_at: str | None


class SpecializationAnswer(Answer, frozen=True, kw_only=True):
    """The names belong to the ids, in the same order."""

    id: str
    session_category: str
    session_category_name: str
    sub_categories: tuple[str, ...]
    sub_category_names: tuple[str, ...]


class SpecializationList(Answer, frozen=True, kw_only=True):
    specializations: tuple[SpecializationAnswer, ...]


class CertificateAnswer(Answer, frozen=True, kw_only=True):
    """``certificateDocument`` is there for its owner and for administrators only."""

    id: str
    trainer_id: str
    certificate_name: str
    certificate_document: str | msgspec.UnsetType | None = msgspec.UNSET
    about_you: str | None
    created_at: str
    updated_at: str


class CertificatePage(Answer, frozen=True, kw_only=True):
    items: list[CertificateAnswer]
    next_cursor: str | None


class TrainerCard(Answer, frozen=True, kw_only=True):
    """A trainer in a list."""

    id: str
    user: UserReference
    name: str
    profile_image: str | None = msgspec.field(name="profile_image")
    city: str | None
    country: str | None
    studio_name: str | None
    studio_city: str | None
    studio_country: str | None
    years_of_experience: int | None
    rating: Rating
    pricing: PricingAnswer
    specializations: tuple[SpecializationAnswer, ...]
    created_at: str


class TrainerPage(Answer, frozen=True, kw_only=True):
    items: list[TrainerCard]
    next_cursor: str | None


class TrainerAnswer(TrainerCard, frozen=True, kw_only=True):
    """A trainer's public page: neither e-mail address nor phone nor home."""

    service_images: tuple[str, ...] = msgspec.field(name="service_images")
    studio_address: str | None
    studio_zip_code: str | None
    instagram_url: str | None
    website_url: str | None
    time_zone: str | None
    certificates: tuple[CertificateAnswer, ...]
    updated_at: str


class SubCategoryAnswer(Answer, frozen=True, kw_only=True):
    id: str
    name: str
    category: str
    created_at: str
    updated_at: str


class CategoryAnswer(Answer, frozen=True, kw_only=True):
    id: str
    name: str
    sub_categories: tuple[SubCategoryAnswer, ...]
    created_at: str
    updated_at: str


class CategoryPage(Answer, frozen=True, kw_only=True):
    items: list[CategoryAnswer]
    next_cursor: str | None


class BookmarkAnswer(Answer, frozen=True, kw_only=True):
    """``card``: the trainer's."""

    id: str
    trainer: str
    client: str
    card: TrainerCard
    created_at: str
    updated_at: str


class BookmarkPage(Answer, frozen=True, kw_only=True):
    items: list[BookmarkAnswer]
    next_cursor: str | None


class Author(Answer, frozen=True, kw_only=True):
    name: str
    profile_image: str | None = msgspec.field(name="profile_image")


class ReviewAnswer(Answer, frozen=True, kw_only=True):
    id: str
    trainer: str
    client: str
    author: Author
    rating: int
    comment: str | None
    created_at: str
    updated_at: str


class ReviewPage(Answer, frozen=True, kw_only=True):
    items: list[ReviewAnswer]
    next_cursor: str | None


def pricing_answer(pricing: Pricing) -> PricingAnswer:
    values = {name: getattr(pricing, name) for name in PricingAnswer.__struct_fields__ if hasattr(pricing, name)}
    return PricingAnswer(**values | {"trainer": pricing.trainer_id, "updated_at": to_wire_or_none(pricing.updated_at)})


def sub_category_answer(sub: SubCategory) -> SubCategoryAnswer:
    return SubCategoryAnswer(
        id=sub.id,
        name=sub.name,
        category=sub.category_id,
        created_at=to_wire(sub.created_at),
        updated_at=to_wire(sub.updated_at),
    )


def category_answer(category: Category, subs: list[SubCategory]) -> CategoryAnswer:
    return CategoryAnswer(
        id=category.id,
        name=category.name,
        sub_categories=tuple(map(sub_category_answer, subs)),
        created_at=to_wire(category.created_at),
        updated_at=to_wire(category.updated_at),
    )
