"""What a trainer offers and for how much."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from bson import ObjectId

from tests.catalogue.service import CatalogueService

ID = "0123456789abcdef01234567"
FULL = {
    "freeTrial": True,
    "weeklyTrialLimit": 3,
    "cancelReshedulePolicy": "UPTO24HR",
    "individualSessionPrice": 5000,
    "isIndividualSesionAvailable": True,
    "fiveSessionPrice": 22500,
    "isFiveSessionAvailable": True,
    "tenSessionPrice": 40000,
    "isTenSessionAvailable": False,
}
NOTHING = {
    "freeTrial": False,
    "weeklyTrialLimit": 0,
    "cancelReshedulePolicy": "ALWAYS_FREE",
    "individualSessionPrice": None,
    "isIndividualSesionAvailable": False,
    "fiveSessionPrice": None,
    "isFiveSessionAvailable": False,
    "tenSessionPrice": None,
    "isTenSessionAvailable": False,
}


async def test_pricing_is_replaced_as_a_whole(catalogue: CatalogueService) -> None:
    trainer = await catalogue.make("trainer")
    path = f"/trainers/{trainer.id}/pricing"
    assert (await catalogue.get(path)).body == {"trainer": trainer.id, **NOTHING, "updatedAt": None}
    said = await catalogue.done(trainer.put("/me/pricing", FULL))
    assert {name: said[name] for name in FULL} == FULL
    assert said["trainer"] == trainer.id
    assert said["updatedAt"].endswith("Z")
    page = (await catalogue.get(f"/trainers/{trainer.id}")).body
    assert (await catalogue.get(path)).body == said == page["pricing"]
    stored = await catalogue.surface.database.collection("pricings").find_one({"trainer": ObjectId(trainer.id)})
    assert stored is not None
    assert {name: stored[name] for name in FULL} == FULL
    said = await catalogue.done(trainer.put("/me/pricing", {}))
    assert {name: said[name] for name in NOTHING} == NOTHING


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"individualSessionPrice": None}, "individualSessionPrice"),
        ({"fiveSessionPrice": None}, "fiveSessionPrice"),
        ({"tenSessionPrice": None, "isTenSessionAvailable": True}, "tenSessionPrice"),
        ({"weeklyTrialLimit": 0}, "weeklyTrialLimit"),
        ({"weeklyTrialLimit": -1}, "weeklyTrialLimit"),
        ({"weeklyTrialLimit": 1.5}, "weeklyTrialLimit"),
        ({"individualSessionPrice": 49}, "individualSessionPrice"),
        ({"individualSessionPrice": 0}, "individualSessionPrice"),
        ({"individualSessionPrice": -5000}, "individualSessionPrice"),
        ({"individualSessionPrice": 50.5}, "individualSessionPrice"),
        ({"individualSessionPrice": "5000"}, "individualSessionPrice"),
        ({"fiveSessionPrice": 100_000_000}, "fiveSessionPrice"),
        ({"cancelReshedulePolicy": "NEVER"}, "cancelReshedulePolicy"),
        ({"cancelReshedulePolicy": None}, "cancelReshedulePolicy"),
        ({"freeTrial": None}, "freeTrial"),
        ({"isIndividualSessionAvailable": True}, "isIndividualSessionAvailable"),
        ({"trainer": ID}, "trainer"),
    ],
)
async def test_an_offer_without_its_terms_is_refused(
    catalogue: CatalogueService, change: dict[str, Any], field: str
) -> None:
    trainer = await catalogue.make("trainer")
    answer = await trainer.put("/me/pricing", {**FULL, **change})
    assert (answer.status, answer.code) == (422, "validation_failed")
    assert answer.body["errors"][0]["field"] == field
    assert (await catalogue.store.pricings.of(trainer.id)).updated_at is None


async def test_a_price_may_wait_for_its_offer(catalogue: CatalogueService) -> None:
    trainer = await catalogue.make("trainer")
    said = await catalogue.done(trainer.put("/me/pricing", {"tenSessionPrice": 99_999_999, "weeklyTrialLimit": 1000}))
    assert (said["tenSessionPrice"], said["isTenSessionAvailable"]) == (99_999_999, False)


async def test_specializations_are_replaced_as_a_whole(catalogue: CatalogueService) -> None:
    trainer = await catalogue.make("trainer")
    yoga, (yin, hatha) = await catalogue.category("Yin", "Hatha", name="Yoga")
    boxing, _ = await catalogue.category(name="Boxing")
    body = [
        {"sessionCategory": yoga, "subCategories": [hatha, yin, hatha]},
        {"sessionCategory": boxing, "subCategories": []},
    ]
    said = (await catalogue.done(trainer.put("/me/specializations", {"specializations": body})))["specializations"]
    assert [(one["sessionCategory"], one["subCategories"]) for one in said] == [(yoga, [hatha, yin]), (boxing, [])]
    assert said[0]["subCategoryNames"] == ["Hatha", "Yin"]
    assert said[0]["sessionCategoryName"].startswith("Yoga")
    profile = (await trainer.get("/me/profile")).body
    assert profile["specialization"] == [one["id"] for one in said]
    assert (
        profile["specializations"] == said == (await catalogue.get(f"/trainers/{trainer.id}")).body["specializations"]
    )
    await catalogue.offers(trainer, boxing)
    (left,) = (await catalogue.get(f"/trainers/{trainer.id}")).body["specializations"]
    assert left["sessionCategory"] == boxing
    rows = catalogue.surface.database.collection("specializations")
    assert await rows.count_documents({"trainer": ObjectId(trainer.id)}) == 1


async def test_specializations_have_to_be_in_the_catalogue(catalogue: CatalogueService) -> None:
    trainer = await catalogue.make("trainer")
    yoga, (yin,) = await catalogue.category("Yin")
    boxing, (kick,) = await catalogue.category("Kick")
    await catalogue.offers(trainer, boxing)
    for body, field in (
        ([{"sessionCategory": ID}], "specializations[0].sessionCategory"),
        ([{"sessionCategory": yin}], "specializations[0].sessionCategory"),
        ([{"sessionCategory": yoga}, {"sessionCategory": yoga}], "specializations[1].sessionCategory"),
        ([{"sessionCategory": yoga, "subCategories": [yin, kick]}], "specializations[0].subCategories[1]"),
        ([{"sessionCategory": yoga, "subCategories": [ID]}], "specializations[0].subCategories[0]"),
        ([{"sessionCategory": yoga, "subCategories": ["x"]}], "specializations[0].subCategories[0]"),
        ([{"sessionCategory": {"$ne": 1}}], "specializations[0].sessionCategory"),
        ([{"sessionCategory": yoga, "name": "x"}], "specializations[0].name"),
        ([{"subCategories": []}], "specializations[0].sessionCategory"),
    ):
        answer = await trainer.put("/me/specializations", {"specializations": body})
        assert (answer.status, answer.body["errors"][0]["field"]) == (422, field)
    (kept,) = (await catalogue.get(f"/trainers/{trainer.id}")).body["specializations"]
    assert kept["sessionCategory"] == boxing


async def test_whatever_is_said_at_once_search_knows_all_of_it(catalogue: CatalogueService) -> None:
    """Two transactions that each saw half of the truth: one has to start again."""
    category, _ = await catalogue.category()
    for _ in range(5):
        trainer = await catalogue.trainer()
        await asyncio.gather(
            catalogue.offers(trainer, category),
            catalogue.sells(trainer, individualSessionPrice=5000, isIndividualSesionAvailable=True),
            catalogue.done(trainer.patch("/me/profile", {"city": "Bern"})),
            catalogue.done(trainer.patch("/me", {"isActive": True})),
            catalogue.review(trainer, 5),
        )
        query = f"category={category}&maxPrice=5000&city=bern&minRating=5"
        assert trainer.id in await catalogue.found(query)
        await catalogue.done(trainer.patch("/me", {"isActive": False}))


@pytest.mark.parametrize("role", ["client", "admin"])
async def test_only_trainers_sell(catalogue: CatalogueService, role: Any) -> None:
    somebody = await catalogue.make(role)
    for method, path, body in (
        ("PUT", "/me/pricing", {}),
        ("PUT", "/me/specializations", {"specializations": []}),
        ("GET", "/me/certificates", None),
        ("POST", "/me/certificates", {"certificateName": "x"}),
        ("PATCH", f"/me/certificates/{ID}", {"certificateName": "x"}),
        ("DELETE", f"/me/certificates/{ID}", None),
    ):
        answer = await somebody.call(method, path, body)
        assert (answer.status, answer.code) == (403, "forbidden"), path


async def test_a_listing_of_a_time_that_had_none_is_made_at_the_start(catalogue: CatalogueService) -> None:
    trainer = await catalogue.priced(7000)
    listings = catalogue.surface.database.collection("trainerListings")
    for own in await catalogue.found():
        await listings.delete_one({"_id": ObjectId(own)})
    assert await catalogue.found() == []
    await catalogue.store.listings.repair()
    assert await catalogue.found("maxPrice=7000") == [trainer.id]
