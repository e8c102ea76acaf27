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
    address: str | None | UnsetType = UNSET
    city: str | None | UnsetType = UNSET
    postal_code: str | None | UnsetType = UNSET
    zip_code: str | None | UnsetType = UNSET
    country: str | None | UnsetType = UNSET
    service_images: tuple[str, ...] | UnsetType = msgspec.field(name="service_images", default=UNSET)
    years_of_experience: int | None | UnsetType = UNSET
    studio_name: str | None | UnsetType = UNSET
    studio_address: str | None | UnsetType = UNSET
    studio_city: str | None | UnsetType = UNSET
    studio_zip_code: str | None | UnsetType = UNSET
    studio_country: str | None | UnsetType = UNSET
    instagram_url: str | None | UnsetType = UNSET
    website_url: str | None | UnsetType = UNSET
    time_zone: str | None | UnsetType = UNSET
    certificates: tuple[str, ...] | UnsetType = UNSET
    specialization: tuple[str, ...] | UnsetType = UNSET
    specializations: tuple[SpecializationAnswer, ...] | UnsetType = UNSET
    is_stripe_connected: bool | UnsetType = UNSET
    rating: Rating | UnsetType = UNSET
    created_at: str
    updated_at: str
