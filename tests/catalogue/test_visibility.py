"""Who is paused, blocked, erased or not verified shows nowhere, and comes back when that ends."""

from __future__ import annotations

import asyncio

import pytest

from domain.catalogue import Pricing, Specialization
from domain.errors import Code, DomainError
from domain.times import whole_milliseconds
from tests.catalogue.service import CatalogueService, Member
from tests.rest.surface import PASSWORD


async def _shows(catalogue: CatalogueService, trainer: Member) -> bool:
    """The same everywhere."""
    everywhere = {trainer.id in await catalogue.found(query) for query in ("", "sort=price", "sort=newest", "q=tara")}
    for path in ("", "/pricing", "/reviews"):
        answer = await catalogue.get(f"/trainers/{trainer.id}{path}")
        assert answer.status in (200, 404), answer.text
        everywhere.add(answer.status == 200)
    (shows,) = everywhere
    return shows


async def test_a_pause_hides_and_ends(catalogue: CatalogueService) -> None:
    trainer = await catalogue.trainer()
    assert await _shows(catalogue, trainer)
    await catalogue.done(trainer.patch("/me", {"isActive": False}))
    assert not await _shows(catalogue, trainer)
    # Whatever is said meanwhile shows nothing.
    await catalogue.done(trainer.patch("/me/profile", {"city": "Elsewhere"}))
    assert not await _shows(catalogue, trainer)
    await catalogue.done(trainer.patch("/me", {"isActive": True}))
    assert await _shows(catalogue, trainer)
    assert await catalogue.found("city=elsewhere") == [trainer.id]


async def test_coming_back_while_moving_house_forgets_neither(catalogue: CatalogueService) -> None:
    """The move changes nothing of a hidden listing, and yet the return has to see it."""
    trainer = await catalogue.trainer()
    for number in range(12):
        await catalogue.done(trainer.patch("/me", {"isActive": False}))
        await asyncio.gather(
            catalogue.done(trainer.patch("/me", {"isActive": True})),
            catalogue.done(trainer.patch("/me/profile", {"city": f"Place {number}"})),
        )
        assert await catalogue.found(f"city=place+{number}") == [trainer.id]


async def test_a_block_hides_and_ends(catalogue: CatalogueService) -> None:
    trainer, admin = await catalogue.trainer(), await catalogue.make("admin")
    await catalogue.done(admin.post(f"/admin/users/{trainer.person.id}/block", {"reason": "spam"}))
    assert not await _shows(catalogue, trainer)
    await catalogue.done(admin.post(f"/admin/users/{trainer.person.id}/unblock", {}))
    assert await _shows(catalogue, trainer)


async def test_only_a_verified_trainer_shows(catalogue: CatalogueService) -> None:
    email, name = f"{catalogue.mark}@example.com", f"Nadia {catalogue.mark}"
    code = await catalogue.surface.register(email, role="trainer", name=name)
    assert (await catalogue.get(f"/trainers?q={catalogue.mark}")).body["items"] == []
    await catalogue.surface.verify(email, code)
    (card,) = (await catalogue.get(f"/trainers?q={catalogue.mark}")).body["items"]
    assert card["name"] == name


@pytest.mark.parametrize("role", ["client", "trainer"])
async def test_an_erased_account_leaves_nothing_but_anonymous_reviews(catalogue: CatalogueService, role: str) -> None:
    email = f"{catalogue.mark}@example.com"
    tokens = await catalogue.surface.sign_up(email, role=role, name="Nadia")
    token, profile_id = tokens["accessToken"], tokens["user"]["profileId"]
    trainer, client = await catalogue.trainer(), await catalogue.make("client")
    db = catalogue.surface.database
    if role == "client":
        me = Member(catalogue, await catalogue.person(email, token), profile_id)
        await catalogue.review(trainer, 5, me, comment="Great")
        await catalogue.done(me.put(f"/me/bookmarks/{trainer.id}"))
        key = {"Idempotency-Key": "k"}
        await catalogue.done(me.patch("/me/profile", {"address": f"Street {catalogue.mark}"}, headers=key))
    else:
        me = Member(catalogue, await catalogue.person(email, token), profile_id)
        category, subs = await catalogue.category("Sub")
        await catalogue.done(me.patch("/me/profile", {"country": catalogue.mark, "studioName": "Loft"}))
        await catalogue.sells(me, freeTrial=True, weeklyTrialLimit=1)
        await catalogue.offers(me, category, *subs)
        await catalogue.done(me.post("/me/certificates", {"certificateName": "First aid", "aboutYou": "since 2010"}))
        await catalogue.done(client.put(f"/me/bookmarks/{profile_id}"))
        await catalogue.review(me, 3, client)
    await catalogue.done(me.post("/me/erase", {"password": PASSWORD}))
    assert await catalogue.store.bookmarks.page(profile_id, None, 10) == []
    assert f"Street {catalogue.mark}" not in str([one async for one in db.collection("idempotency").find()])
    if role == "client":
        (review,) = (await catalogue.get(f"/trainers/{trainer.id}/reviews")).body["items"]
        assert (review["author"], review["comment"]) == ({"name": "Erased account", "profile_image": None}, None)
        assert (await catalogue.get(f"/trainers/{trainer.id}")).body["rating"] == {"average": 5.0, "count": 1}
    else:
        assert not await _shows(catalogue, me)
        assert (await client.get("/me/bookmarks")).body["items"] == []
        admin = await catalogue.make("admin")
        await catalogue.done(admin.delete(f"/admin/categories/{category}"))
        for name in ("pricings", "specializations", "trainerCertificates", "bookmarks"):
            texts = [str(one) async for one in db.collection(name).find()]
            assert not [text for text in texts if profile_id in text]


async def test_what_was_under_way_when_an_account_was_erased_changes_nothing(catalogue: CatalogueService) -> None:
    email = f"{catalogue.mark}@example.com"
    tokens = await catalogue.surface.sign_up(email, role="trainer", name="Nadia")
    trainer = Member(catalogue, await catalogue.person(email, tokens["accessToken"]), tokens["user"]["profileId"])
    category, _ = await catalogue.category()
    await catalogue.done(trainer.post("/me/erase", {"password": PASSWORD}))
    offers, now = catalogue.store.offers, whole_milliseconds(catalogue.surface.clock())
    late = Specialization(
        id=catalogue.store.specializations.new_id(), trainer_id=trainer.id, category_id=category, sub_category_ids=()
    )
    for commit in (
        offers.update_profile("trainer", trainer.id, {"address": "Street 1"}, now),
        offers.set_pricing(Pricing(trainer_id=trainer.id), now),
        offers.set_specializations(trainer.id, [late], now),
    ):
        with pytest.raises(DomainError) as refused:
            await commit
        assert refused.value.code == Code.UNAUTHENTICATED
    profile = await catalogue.store.profiles.by_id("trainer", trainer.id)
    assert profile is not None
    assert (profile.name, profile.address, profile.specialization) == ("Erased account", None, ())
    await catalogue.done((await catalogue.make("admin")).delete(f"/admin/categories/{category}"))
