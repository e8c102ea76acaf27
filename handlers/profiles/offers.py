"""What a trainer offers, and for how much."""

from __future__ import annotations

from domain.catalogue import Pricing, Specialization, require_sound
from domain.wire.catalogue import PricingAnswer, SpecializationList, pricing_answer
from domain.wire.profiles import SetPricing, SetSpecializations
from handlers.access import Actor, require_role
from handlers.catalogue.cards import named
from handlers.context import ReadContext
from handlers.idempotency import idempotent


@idempotent("specializations:set")
async def set_specializations(context: ReadContext, actor: Actor, command: SetSpecializations) -> SpecializationList:
    """In place of all earlier ones; raises ``validation_failed`` for what is not in the catalogue."""
    require_role(actor, "trainer")
    offered = [
        Specialization(
            id=context.store.specializations.new_id(),
            trainer_id=actor.profile_id,
            category_id=one.session_category,
            sub_category_ids=tuple(dict.fromkeys(one.sub_categories)),
        )
        for one in command.specializations
    ]
    now = context.now()
    categories, subs = await context.store.offers.set_specializations(actor.profile_id, offered, now)
    return SpecializationList(specializations=named(offered, categories, subs))


async def get_own_pricing(context: ReadContext, actor: Actor, command: None) -> PricingAnswer:
    """Also of a trainer whom others may not find just now."""
    require_role(actor, "trainer")
    return pricing_answer(await context.store.pricings.of(actor.profile_id))


@idempotent("pricing:set")
async def set_pricing(context: ReadContext, actor: Actor, command: SetPricing) -> PricingAnswer:
    """The whole table; raises ``validation_failed`` for an offer without its price."""
    require_role(actor, "trainer")
    now = context.now()
    pricing = Pricing(
        trainer_id=actor.profile_id,
        free_trial=command.free_trial,
        weekly_trial_limit=command.weekly_trial_limit,
        cancellation_policy=command.cancellation_policy,
        individual_session_price=command.individual_session_price,
        is_individual_session_available=command.is_individual_session_available,
        five_session_price=command.five_session_price,
        is_five_session_available=command.is_five_session_available,
        ten_session_price=command.ten_session_price,
        is_ten_session_available=command.is_ten_session_available,
        updated_at=now,
    )
    require_sound(pricing)
    await context.store.offers.set_pricing(pricing, now)
    return pricing_answer(pricing)
