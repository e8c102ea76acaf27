"""Profiles: the Client, Trainer and SuperAdmin tables, and what of them their owner may change."""

from __future__ import annotations

from datetime import datetime

import msgspec

from domain.accounts import ADMINISTRATORS, Role

_ADDRESS = frozenset({"address", "city", "country"})
_ADMINISTRATOR = frozenset({"name", "phone", "profile_image"})
_CLIENT = _ADMINISTRATOR | _ADDRESS | {"postalCode"}
_TRAINER = _ADMINISTRATOR | _ADDRESS | {
    "bio", "zipCode", "service_images", "yearsOfExperience", "studioName", "studioAddress", "studioCity",
    "studioZipCode", "studioCountry", "instagramUrl", "websiteUrl",
}  # fmt: skip

# By wire name. The address, the role, what Stripe owns and lists with routes of their own are not among them.
EDITABLE: dict[Role, frozenset[str]] = {
    "client": _CLIENT,
    "trainer": _TRAINER,
    **dict.fromkeys(ADMINISTRATORS, _ADMINISTRATOR),
}
# Those of them that are web addresses.
ADDRESSES_ON_THE_WEB = frozenset({"instagramUrl", "websiteUrl"})


class Profile(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A row of the role's table; what that lacks stays at its default. Encoded, the names are the store's."""

    id: str
    user: str
    name: str
    email: str | None = None
    address: str | None = None
    city: str | None = None
    postal_code: str | None = None
    zip_code: str | None = None
    country: str | None = None
    phone: str | None = None
    profile_image: str | None = msgspec.field(name="profile_image", default=None)
    bio: str | None = None
    service_images: tuple[str, ...] = msgspec.field(name="service_images", default=())
    years_of_experience: int | None = None
    studio_name: str | None = None
    studio_address: str | None = None
    studio_city: str | None = None
    studio_zip_code: str | None = None
    studio_country: str | None = None
    instagram_url: str | None = None
    website_url: str | None = None
    time_zone: str | None = None
    certificates: tuple[str, ...] = ()
    specialization: tuple[str, ...] = ()
    stripe_connect_account_id: str | None = None
    is_stripe_connected: bool = False
    created_at: datetime
    updated_at: datetime
