"""A trainer's public page, and what the trainer sells."""

from __future__ import annotations

import asyncio

import msgspec
from msgspec import UNSET, UnsetType

from domain import urls
from domain.catalogue import Certificate, Pricing
from domain.errors import not_found
from domain.profiles import Profile
from domain.times import to_wire
from domain.wire.catalogue import (
    CertificateAnswer,
    GetPricing,
    GetTrainer,
    OwnRelation,
    PricingAnswer,
    TrainerAnswer,
    pricing_answer,
)
from handlers.access import Actor, Visitor
from handlers.catalogue.cards import card, file_fields, files_of, listed_trainer, specializations
from handlers.context import ReadContext
from handlers.files.access import attachments, url_or_none


async def get_trainer(context: ReadContext, caller: Actor | Visitor, command: GetTrainer) -> TrainerAnswer:
    """Raises ``not_found`` for a trainer who is paused, blocked, erased or not verified."""
    listed = await listed_trainer(context, command.id)
    store = context.store
    profile, pricing, offered, certificates = await asyncio.gather(
        store.profiles.by_id("trainer", command.id),
        store.pricings.of(command.id),
        specializations(context, [command.id]),
        store.certificates.of(command.id),
    )
    if profile is None:
        raise not_found("trainer")
    mine = await _mine(context, caller, profile, pricing) if isinstance(caller, Actor) else UNSET
    files = await files_of(context, [profile])
    shown = card(context, profile, listed, pricing, offered.get(command.id, ()), files)
    private = isinstance(caller, Actor) and (caller.is_admin or caller.profile_id == command.id)
    return TrainerAnswer(
        **msgspec.structs.asdict(shown) | {"files": attachments(context, files, file_fields(profile))},
        bio=profile.bio,
        mine=mine,
        service_images=tuple(context.files.signed(one) for one in profile.service_images),
        studio_address=profile.studio_address,
        studio_zip_code=profile.studio_zip_code,
        instagram_url=urls.shown(profile.instagram_url),
        website_url=urls.shown(profile.website_url),
        time_zone=profile.time_zone,
        certificates=tuple(certificate_answer(context, one, private=private) for one in certificates),
        updated_at=to_wire(profile.updated_at),
    )


async def _mine(context: ReadContext, actor: Actor, trainer: Profile, pricing: Pricing) -> OwnRelation | UnsetType:
    if actor.role != "client":
        return UNSET
    store = context.store
    bookmarked, trialled, credit, conversation = await asyncio.gather(
        store.bookmarks.has(actor.profile_id, trainer.id),
        store.trials.consumed(actor.profile_id, trainer.id),
        store.credits.balance(actor.profile_id, trainer.id),
        store.conversations.between(actor.user_id, trainer.user),
    )
    conversation_id = None if conversation is None else conversation.membership.conversation_id
    shown = conversation_id and await store.conversations.membership(conversation_id, actor.user_id) is not None
    return OwnRelation(
        bookmarked=bookmarked,
        trial_available=pricing.free_trial and not trialled,
        amount_of_credit=credit,
        conversation_id=conversation_id if shown and conversation_id else UNSET,
    )


async def get_pricing(context: ReadContext, visitor: Visitor, command: GetPricing) -> PricingAnswer:
    """Raises ``not_found`` for a trainer who may not be found."""
    await listed_trainer(context, command.id)
    return pricing_answer(await context.store.pricings.of(command.id))


def certificate_answer(context: ReadContext, one: Certificate, *, private: bool) -> CertificateAnswer:
    """``private``: with the document."""
    return CertificateAnswer(
        id=one.id,
        trainer_id=one.trainer_id,
        certificate_name=one.name,
        certificate_document=url_or_none(context, one.document) if private else msgspec.UNSET,
        about_you=one.about,
        created_at=to_wire(one.created_at),
        updated_at=to_wire(one.updated_at),
    )
