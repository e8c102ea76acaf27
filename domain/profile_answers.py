"""One's own profile on the wire: the table of one's role."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, UnsetType

from domain.answers import Answer
from domain.catalogue_answers import Rating, SpecializationAnswer, UserReference


class OwnProfile(Answer, frozen=True, kw_only=True):
    """What the role's table lacks is left out. ``email`` is a copy of the account's."""

    id: str
    user: UserReference
    name: str
    email: str | None
    phone: str | None
    profile_image: str | None = msgspec.field(name="profile_image")
    address: str | UnsetType | None = UNSET
    city: str | UnsetType | None = UNSET
    postal_code: str | UnsetType | None = UNSET
    zip_code: str | UnsetType | None = UNSET
    country: str | UnsetType | None = UNSET
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
