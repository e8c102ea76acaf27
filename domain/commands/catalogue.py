"""Commands of the catalogue: finding trainers, keeping them in mind, and saying how it was."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from domain import fields, text_fields
from domain.commands import Command
from domain.listings import Sort

Stars = Annotated[int, Meta(ge=1, le=5)]


class SearchTrainers(Command, frozen=True, kw_only=True):
    """Every filter given has to fit. ``q``: words, or their beginnings, of names, studios, cities and categories.

    ``maxPrice`` (minor units) is compared with the price of a single session, for those who sell none with that of a
    session in their cheapest pack. ``availableOn``: a date in the trainer's zone with a free slot; a page may then be
    shorter than asked for, or empty, with a ``nextCursor`` to go on from.
    """

    q: Annotated[str, Meta(max_length=200)] | None = None
    category: fields.Id | None = None
    sub_category: fields.Id | None = None
    city: text_fields.ShortLine | None = None
    country: text_fields.ShortLine | None = None
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
    comment: text_fields.Paragraphs | None = None


class ListReviews(Command, frozen=True, kw_only=True):
    trainer_id: fields.Id
    cursor: fields.Cursor | None = None
    limit: fields.PageSize = 20


class UpdateReview(Command, frozen=True, kw_only=True):
    id: fields.Id
    rating: Stars | UnsetType = UNSET
    comment: text_fields.Paragraphs | UnsetType | None = UNSET


class DeleteReview(Command, frozen=True, kw_only=True):
    id: fields.Id
