"""Commands and answers of the catalogue: trainers, categories, bookmarks, reviews. A file field holds a signed URL."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from domain.catalogue import CancellationPolicy, Category, Pricing, SubCategory
from domain.files import AttachedFile
from domain.listings import Sort
from domain.times import to_wire, to_wire_or_none
from domain.wire import fields
from domain.wire.base import Answer, Command

Stars = Annotated[int, Meta(ge=1, le=5)]


class SearchTrainers(Command, frozen=True, kw_only=True):
    """Every filter given has to fit. ``q``: words, or their beginnings, of names, studios, cities and categories.

    ``maxPrice`` (minor units) is compared with the price of a single session, for those who sell none with that of a
    session in their cheapest pack. ``availableOn``: a date in the trainer's zone with a free slot; a page may then be
    shorter than asked for, or empty, with a ``nextCursor`` to go on from.
    """

    q: fields.SearchWords | None = None
    category: fields.Id | None = None
    sub_category: fields.Id | None = None
    city: fields.ShortLine | None = None
    country: fields.ShortLine | None = None
    min_rating: Annotated[float, Meta(ge=0, le=5)] | None = None
    max_price: Annotated[int, Meta(ge=0, le=99_999_999)] | None = None
    free_trial: bool | None = None
    available_on: fields.Date | None = None
    sort: Sort = "rating"
    cursor: fields.Cursor | None = None
    limit: fields.PageSize = 20


class GetTrainer(Command, frozen=True, kw_only=True):
    id: fields.Id


class GetPricing(Command, frozen=True, kw_only=True):
    id: fields.Id


class ListCategories(Command, frozen=True, kw_only=True):
    cursor: fields.Cursor | None = None
    limit: fields.PageSize = 20


class AddCategory(Command, frozen=True, kw_only=True):
    name: fields.Name


class UpdateCategory(Command, frozen=True, kw_only=True):
    id: fields.Id
    name: fields.Name


class DeleteCategory(Command, frozen=True, kw_only=True):
    id: fields.Id


class AddSubCategory(Command, frozen=True, kw_only=True):
    name: fields.Name
    category: fields.Id


class UpdateSubCategory(Command, frozen=True, kw_only=True):
    id: fields.Id
    name: fields.Name | UnsetType = UNSET
    category: fields.Id | UnsetType = UNSET


class DeleteSubCategory(Command, frozen=True, kw_only=True):
    id: fields.Id


class AddBookmark(Command, frozen=True, kw_only=True):
    trainer_id: fields.Id


class RemoveBookmark(Command, frozen=True, kw_only=True):
    trainer_id: fields.Id


class ListBookmarks(Command, frozen=True, kw_only=True):
    cursor: fields.Cursor | None = None
    limit: fields.PageSize = 20


class AddReview(Command, frozen=True, kw_only=True):
    booking_id: fields.Id
    rating: Stars
    comment: fields.Paragraphs | None = None


class ListReviews(Command, frozen=True, kw_only=True):
    trainer_id: fields.Id
    cursor: fields.Cursor | None = None
    limit: fields.PageSize = 20


class UpdateReview(Command, frozen=True, kw_only=True):
    id: fields.Id
    rating: Stars | UnsetType = UNSET
    comment: fields.Paragraphs | UnsetType | None = UNSET


class DeleteReview(Command, frozen=True, kw_only=True):
    id: fields.Id


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
    """A trainer in a list. ``files``: those of the fields that hold a URL, as objects."""

    files: tuple[AttachedFile, ...] = ()
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


class OwnRelation(Answer, frozen=True, kw_only=True):
    """What a client has with a trainer.

    ``trialAvailable``: the trainer offers one and the client has not had it, though a
    week's trials may be taken. ``conversationId``: of one that the client sees.
    """

    bookmarked: bool
    trial_available: bool
    amount_of_credit: int
    conversation_id: str | UnsetType = UNSET


class TrainerAnswer(TrainerCard, frozen=True, kw_only=True):
    """A trainer's public page: neither e-mail address nor phone nor home. ``mine`` is there for signed-in clients."""

    bio: str | None
    mine: OwnRelation | UnsetType = UNSET
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
    """``bookingId`` is there for the two whose session it was and for administrators."""

    id: str
    booking_id: str | UnsetType = UNSET
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
