"""Commands and answers of one's own profile and of what a trainer sells. In a change, null clears a field."""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from domain.catalogue import CancellationPolicy
from domain.files import AttachedFile
from domain.wire import fields
from domain.wire.base import Answer, Command, FileCommand
from domain.wire.catalogue import Rating, SpecializationAnswer, UserReference

Images = Annotated[tuple[fields.FileId, ...], Meta(max_length=20)]
# Stripe charges no less and no more.
Price = Annotated[int, Meta(ge=50, le=99_999_999, description="in minor units")]
WeeklyLimit = Annotated[int, Meta(ge=0, le=1000)]
SubCategoryIds = Annotated[tuple[fields.Id, ...], Meta(max_length=50)]


class UpdateProfile(FileCommand, frozen=True, kw_only=True):
    """Each role has fields of its own; another's is as unknown as any."""

    file_fields: ClassVar[tuple[str, ...]] = ("profile_image", "service_images")

    name: fields.Name | UnsetType = UNSET
    phone: fields.Phone | UnsetType | None = UNSET
    profile_image: fields.FileId | UnsetType | None = msgspec.field(name="profile_image", default=UNSET)
    address: fields.Line | UnsetType | None = UNSET
    city: fields.ShortLine | UnsetType | None = UNSET
    postal_code: fields.PostalCode | UnsetType | None = UNSET
    zip_code: fields.PostalCode | UnsetType | None = UNSET
    country: fields.ShortLine | UnsetType | None = UNSET
    bio: fields.Paragraphs | UnsetType | None = UNSET
    service_images: Images | UnsetType | None = msgspec.field(name="service_images", default=UNSET)
    years_of_experience: Annotated[int, Meta(ge=0, le=80)] | UnsetType | None = UNSET
    studio_name: fields.ShortLine | UnsetType | None = UNSET
    studio_address: fields.Line | UnsetType | None = UNSET
    studio_city: fields.ShortLine | UnsetType | None = UNSET
    studio_zip_code: fields.PostalCode | UnsetType | None = UNSET
    studio_country: fields.ShortLine | UnsetType | None = UNSET
    instagram_url: fields.Url | UnsetType | None = UNSET
    website_url: fields.Url | UnsetType | None = UNSET


class OfferedCategory(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A category, and which of its subcategories the trainer offers."""

    session_category: fields.Id
    sub_categories: SubCategoryIds = ()


class SetSpecializations(Command, frozen=True, kw_only=True):
    specializations: Annotated[tuple[OfferedCategory, ...], Meta(max_length=20)]


class SetPricing(Command, frozen=True, kw_only=True):
    """The whole table: what is left out is not offered."""

    free_trial: bool = False
    weekly_trial_limit: WeeklyLimit = 0
    cancellation_policy: CancellationPolicy = msgspec.field(name="cancelReshedulePolicy", default="ALWAYS_FREE")
    individual_session_price: Price | None = None
    is_individual_session_available: bool = msgspec.field(name="isIndividualSesionAvailable", default=False)
    five_session_price: Price | None = None
    is_five_session_available: bool = False
    ten_session_price: Price | None = None
    is_ten_session_available: bool = False


class ListCertificates(Command, frozen=True, kw_only=True):
    cursor: fields.Cursor | None = None
    limit: fields.PageSize = 20


class AddCertificate(FileCommand, frozen=True, kw_only=True):
    """``certificateDocument`` is a file, for its owner and administrators only."""

    file_fields: ClassVar[tuple[str, ...]] = ("certificate_document",)

    certificate_name: fields.ShortLine
    certificate_document: fields.FileId | None = None
    about_you: fields.Paragraphs | None = None


class UpdateCertificate(FileCommand, frozen=True, kw_only=True):
    file_fields: ClassVar[tuple[str, ...]] = ("certificate_document",)
    id: fields.Id
    certificate_name: fields.ShortLine | UnsetType = UNSET
    certificate_document: fields.FileId | UnsetType | None = UNSET
    about_you: fields.Paragraphs | UnsetType | None = UNSET


class DeleteCertificate(Command, frozen=True, kw_only=True):
    id: fields.Id


class OwnProfile(Answer, frozen=True, kw_only=True):
    """What the role's table lacks is left out. ``email`` is a copy of the account's."""

    id: str
    user: UserReference
    name: str
    email: str | None
    phone: str | None
    profile_image: str | None = msgspec.field(name="profile_image")
    files: tuple[AttachedFile, ...] = ()
    address: str | UnsetType | None = UNSET
    city: str | UnsetType | None = UNSET
    postal_code: str | UnsetType | None = UNSET
    zip_code: str | UnsetType | None = UNSET
    country: str | UnsetType | None = UNSET
    bio: str | UnsetType | None = UNSET
    service_images: tuple[str, ...] | UnsetType = msgspec.field(name="service_images", default=UNSET)
    years_of_experience: int | UnsetType | None = UNSET
    studio_name: str | UnsetType | None = UNSET
    studio_address: str | UnsetType | None = UNSET
    studio_city: str | UnsetType | None = UNSET
    studio_zip_code: str | UnsetType | None = UNSET
    studio_country: str | UnsetType | None = UNSET
    instagram_url: str | UnsetType | None = UNSET
    website_url: str | UnsetType | None = UNSET
    time_zone: str | UnsetType | None = UNSET
    certificates: tuple[str, ...] | UnsetType = UNSET
    specialization: tuple[str, ...] | UnsetType = UNSET
    specializations: tuple[SpecializationAnswer, ...] | UnsetType = UNSET
    is_stripe_connected: bool | UnsetType = UNSET
    rating: Rating | UnsetType = UNSET
    created_at: str
    updated_at: str
