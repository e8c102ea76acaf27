"""One's own profile."""

from __future__ import annotations

from typing import Any

from domain import urls
from domain.accounts import unauthenticated
from domain.errors import UNKNOWN, FieldError, invalid_fields
from domain.profiles import ADDRESSES_ON_THE_WEB, EDITABLE, Profile
from domain.times import to_wire
from domain.wire.catalogue import UserReference
from domain.wire.codec import changes_of
from domain.wire.fields import web_address_from_wire
from domain.wire.profiles import OwnProfile, UpdateProfile
from handlers.access import Actor
from handlers.catalogue import cards
from handlers.context import ReadContext
from handlers.files.access import attachments, url_or_none
from handlers.idempotency import idempotent


async def get_profile(context: ReadContext, actor: Actor, command: None) -> OwnProfile:
    return await _own(context, actor)


@idempotent("profile:update")
async def update_profile(context: ReadContext, actor: Actor, command: UpdateProfile) -> OwnProfile:
    """Only the fields of one's role that are one's own to say; raises ``validation_failed`` for others."""
    changes = changes_of(command)
    if unknown := [FieldError(name, UNKNOWN) for name in changes if name not in EDITABLE[actor.role]]:
        raise invalid_fields(unknown)
    for name in ADDRESSES_ON_THE_WEB & changes.keys():
        if changes[name] is not None:
            changes[name] = web_address_from_wire(str(changes[name]), name)
    if changes:
        now = context.now()
        await context.store.offers.update_profile(actor.role, actor.profile_id, changes, now)
    return await _own(context, actor)


async def _own(context: ReadContext, actor: Actor) -> OwnProfile:
    profile = await context.store.profiles.by_id(actor.role, actor.profile_id)
    if profile is None:
        raise unauthenticated()
    theirs = {field: getattr(profile, field) for field in _FIELDS[actor.role]}
    if actor.role == "trainer":
        theirs |= {"instagram_url": urls.shown(profile.instagram_url), "website_url": urls.shown(profile.website_url)}
        theirs |= await _of_trainer(context, profile)
    return OwnProfile(
        id=profile.id,
        user=UserReference(id=profile.user),
        name=profile.name,
        email=profile.email,
        phone=profile.phone,
        profile_image=url_or_none(context, profile.profile_image),
        files=attachments(context, await cards.files_of(context, [profile]), cards.file_fields(profile)),
        **theirs,
        created_at=to_wire(profile.created_at),
        updated_at=to_wire(profile.updated_at),
    )


async def _of_trainer(context: ReadContext, profile: Profile) -> dict[str, Any]:
    listed = await context.store.listings.rating_of(profile.id)
    offered = await cards.specializations(context, [profile.id])
    return {
        "service_images": tuple(context.files.signed(one) for one in profile.service_images),
        "specializations": offered.get(profile.id, ()),
        "rating": cards.rating(listed),
    }


_ADDRESS = ("address", "city", "country")
# What each role's table has beside what every profile has.
_FIELDS = {
    "client": (*_ADDRESS, "postal_code", "time_zone"),
    "trainer": (
        *_ADDRESS, "bio", "zip_code", "years_of_experience", "studio_name", "studio_address", "studio_city",
        "studio_zip_code", "studio_country", "instagram_url", "website_url", "time_zone", "certificates",
        "specialization", "is_stripe_connected",
    ),
    "admin": (),
    "superAdmin": (),
}  # fmt: skip
