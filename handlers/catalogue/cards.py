"""Trainers assembled from their tables as others see them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence

from domain.catalogue import Category, Pricing, Specialization, SubCategory
from domain.errors import not_found
from domain.files import StoredFile
from domain.profiles import Profile
from domain.times import to_wire
from domain.wire.catalogue import Rating, SpecializationAnswer, TrainerCard, UserReference, pricing_answer
from handlers.context import ReadContext
from handlers.files.access import attachments, url_or_none
from store.listings import Listed


async def listed_trainer(context: ReadContext, trainer_id: str) -> Listed:
    """A trainer whom everybody may find; raises ``not_found``."""
    found = (await context.store.listings.of([trainer_id])).get(trainer_id)
    if found is None:
        raise not_found("trainer")
    return found


async def cards(context: ReadContext, trainers: Sequence[Listed]) -> list[TrainerCard]:
    """In the same order; whoever was erased meanwhile is left out."""
    ids = [one.trainer_id for one in trainers]
    profiles, pricings, offered = await asyncio.gather(
        context.store.profiles.by_ids("trainer", ids),
        context.store.pricings.of_many(ids),
        specializations(context, ids),
    )
    files = await context.store.files.by_ids({one.profile_image for one in profiles.values() if one.profile_image})
    return [
        card(context, profiles[i], one, pricings[i], offered.get(i, ()), files)
        for i, one in zip(ids, trainers, strict=True)
        if i in profiles
    ]


async def files_of(context: ReadContext, profiles: Iterable[Profile]) -> dict[str, StoredFile]:
    """All pictures of the profiles, by their ids."""
    return await context.store.files.by_ids(
        {one for profile in profiles for _, ids in file_fields(profile) for one in ids}
    )


def file_fields(profile: Profile) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """What of a profile refers to files: a card shows the first of them."""
    image = (profile.profile_image,) if profile.profile_image else ()
    return ("profile_image", image), ("service_images", profile.service_images)


def card(
    context: ReadContext,
    profile: Profile,
    listed: Listed,
    pricing: Pricing,
    offered: Sequence[SpecializationAnswer],
    files: Mapping[str, StoredFile],
) -> TrainerCard:
    return TrainerCard(
        id=profile.id,
        user=UserReference(id=profile.user),
        name=profile.name,
        profile_image=url_or_none(context, profile.profile_image),
        files=attachments(context, files, file_fields(profile)[:1]),
        city=profile.city,
        country=profile.country,
        studio_name=profile.studio_name,
        studio_city=profile.studio_city,
        studio_country=profile.studio_country,
        years_of_experience=profile.years_of_experience,
        rating=rating(listed),
        pricing=pricing_answer(pricing),
        specializations=tuple(offered),
        created_at=to_wire(profile.created_at),
    )


def rating(listed: Listed) -> Rating:
    return Rating(average=listed.rating_average, count=listed.rating_count)


async def specializations(
    context: ReadContext, trainer_ids: Sequence[str]
) -> dict[str, tuple[SpecializationAnswer, ...]]:
    """What each trainer offers, with the names that the categories have now."""
    offered = await context.store.specializations.of(trainer_ids)
    every = [one for several in offered.values() for one in several]
    categories, subs = await asyncio.gather(
        context.store.categories.by_ids({one.category_id for one in every}),
        context.store.categories.subs_by_ids({sub for one in every for sub in one.sub_category_ids}),
    )
    return {trainer_id: named(several, categories, subs) for trainer_id, several in offered.items()}


def named(
    offered: Sequence[Specialization], categories: Mapping[str, Category], subs: Mapping[str, SubCategory]
) -> tuple[SpecializationAnswer, ...]:
    return tuple(
        SpecializationAnswer(
            id=one.id,
            session_category=one.category_id,
            session_category_name=categories[one.category_id].name,
            sub_categories=one.sub_category_ids,
            sub_category_names=tuple(subs[sub].name for sub in one.sub_category_ids),
        )
        for one in offered
        if one.category_id in categories and all(sub in subs for sub in one.sub_category_ids)
    )
