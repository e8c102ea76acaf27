"""Who is paused, blocked, erased or not verified shows nowhere, and comes back when that ends."""

from __future__ import annotations

import asyncio

import pytest

from domain.catalogue import Pricing, Specialization
from domain.errors import Code, DomainError
from domain.times import whole_milliseconds
from tests.catalogue.service import CatalogueService, Member
from tests.rest.surface import PASSWORD


async def _shows(town: CatalogueService, trainer: Member) -> bool:
    """The same everywhere."""
    everywhere = {trainer.id in await town.found(query) for query in ("", "sort=price", "sort=newest", "q=tara")}
    for path in ("", "/pricing", "/reviews"):
        answer = await town.get(f"/trainers/{trainer.id}{path}")
        assert answer.status in (200, 404), answer.text
        everywhere.add(answer.status == 200)
    (shows,) = everywhere
    return shows


async def test_a_pause_hides_and_ends(town: CatalogueService) -> None:
    trainer = await town.trainer()
    assert await _shows(town, trainer)
    await town.done(trainer.patch("/me", {"isActive": False}))
    assert not await _shows(town, trainer)
    # Whatever is said meanwhile shows nothing.
    await town.done(trainer.patch("/me/profile", {"city": "Elsewhere"}))
    assert not await _shows(town, trainer)
    await town.done(trainer.patch("/me", {"isActive": True}))
    assert await _shows(town, trainer)
    assert await town.found("city=elsewhere") == [trainer.id]


async def test_coming_back_while_moving_house_forgets_neither(town: CatalogueService) -> None:
    """The move changes nothing of a hidden listing, and yet the return has to see it."""
    trainer = await town.trainer()
    for number in range(12):
        await town.done(trainer.patch("/me", {"isActive": False}))
        await asyncio.gather(
            town.done(trainer.patch("/me", {"isActive": True})),
            town.done(trainer.patch("/me/profile", {"city": f"Place {number}"})),
        )
        assert await town.found(f"city=place+{number}") == [trainer.id]


async def test_a_block_hides_and_ends(town: CatalogueService) -> None:
    trainer, admin = await town.trainer(), await town.make("admin")
    await town.done(admin.post(f"/admin/users/{trainer.person.id}/block", {"reason": "spam"}))
    assert not await _shows(town, trainer)
    await town.done(admin.post(f"/admin/users/{trainer.person.id}/unblock", {}))
    assert await _shows(town, trainer)


async def test_only_a_verified_trainer_shows(town: CatalogueService) -> None:
    email, name = f"{town.mark}@example.com", f"Nadia {town.mark}"
    code = await town.surface.register(email, role="trainer", name=name)
    assert (await town.get(f"/trainers?q={town.mark}")).body["items"] == []
    await town.surface.verify(email, code)
    (card,) = (await town.get(f"/trainers?q={town.mark}")).body["items"]
    assert card["name"] == name


async def test_a_reset_password_verifies_too(town: CatalogueService) -> None:
    """It proves the mailbox as the first code would have done."""
    email = f"{town.mark}@example.com"
    await town.surface.register(email, role="trainer", name=f"Nadia {town.mark}")
    await town.surface.post("/auth/forgot-password", {"email": email})
    code = town.surface.mail.code(email)
    traded = (await town.surface.post("/auth/verify-reset-code", {"email": email, "code": code})).body
    body = {"resetToken": traded["resetToken"], "password": "another good password"}
    assert (await town.surface.post("/auth/reset-password", body)).status == 204
    assert len((await town.get(f"/trainers?q={town.mark}")).body["items"]) == 1


async def test_who_becomes_a_client_is_no_trainer(town: CatalogueService) -> None:
    email = f"{town.mark}@example.com"
    await town.surface.register(email, role="trainer", name=f"Nadia {town.mark}")
    code = await town.surface.register(email, "another password", role="client", name="Nadia")
    await town.surface.verify(email, code)
    assert (await town.get(f"/trainers?q={town.mark}")).body["items"] == []
    user = await town.surface.user(email)
    listings = town.surface.database.collection("trainerListings")
    assert await listings.count_documents({"_id": user["profileId"]}) == 0


@pytest.mark.parametrize("role", ["client", "trainer"])
async def test_an_erased_account_leaves_nothing_but_anonymous_reviews(town: CatalogueService, role: str) -> None:
    email = f"{town.mark}@example.com"
    tokens = await town.surface.sign_up(email, role=role, name="Nadia")
    token, profile_id = tokens["accessToken"], tokens["user"]["profileId"]
    trainer, client = await town.trainer(), await town.make("client")
    db = town.surface.database
    if role == "client":
        me = Member(town, await town.person(email, token), profile_id)
        await town.review(trainer, 5, me, comment="Great")
        await town.done(me.put(f"/me/bookmarks/{trainer.id}"))
        key = {"Idempotency-Key": "k"}
        await town.done(me.patch("/me/profile", {"address": f"Street {town.mark}"}, headers=key))
    else:
        me = Member(town, await town.person(email, token), profile_id)
        category, subs = await town.category("Sub")
        await town.done(me.patch("/me/profile", {"country": town.mark, "studioName": "Loft"}))
        await town.sells(me, freeTrial=True, weeklyTrialLimit=1)
        await town.offers(me, category, *subs)
        await town.done(me.post("/me/certificates", {"certificateName": "First aid", "aboutYou": "since 2010"}))
        await town.done(client.put(f"/me/bookmarks/{profile_id}"))
        await town.review(me, 3, client)
    await town.done(me.post("/me/erase", {"password": PASSWORD}))
    assert await town.store.bookmarks.page(profile_id, None, 10) == []
    assert f"Street {town.mark}" not in str([one async for one in db.collection("idempotency").find()])
    if role == "client":
        (review,) = (await town.get(f"/trainers/{trainer.id}/reviews")).body["items"]
        assert (review["author"], review["comment"]) == ({"name": "Erased account", "profile_image": None}, "Great")
        assert (await town.get(f"/trainers/{trainer.id}")).body["rating"] == {"average": 5.0, "count": 1}
    else:
        assert not await _shows(town, me)
        assert (await client.get("/me/bookmarks")).body["items"] == []
        admin = await town.make("admin")
        await town.done(admin.delete(f"/admin/categories/{category}"))
        for name in ("pricings", "specializations", "trainerCertificates", "bookmarks"):
            texts = [str(one) async for one in db.collection(name).find()]
            assert not [text for text in texts if profile_id in text]


async def test_what_was_under_way_when_an_account_was_erased_changes_nothing(town: CatalogueService) -> None:
    email = f"{town.mark}@example.com"
    tokens = await town.surface.sign_up(email, role="trainer", name="Nadia")
    trainer = Member(town, await town.person(email, tokens["accessToken"]), tokens["user"]["profileId"])
    category, _ = await town.category()
    await town.done(trainer.post("/me/erase", {"password": PASSWORD}))
    offers, now = town.store.offers, whole_milliseconds(town.surface.clock())
    late = Specialization(
        id=town.store.specializations.new_id(), trainer_id=trainer.id, category_id=category, sub_category_ids=()
    )
    for commit in (
        offers.update_profile("trainer", trainer.id, {"address": "Street 1"}, now),
        offers.set_pricing(Pricing(trainer_id=trainer.id), now),
        offers.set_specializations(trainer.id, [late], now),
    ):
        with pytest.raises(DomainError) as refused:
            await commit
        assert refused.value.code == Code.UNAUTHENTICATED
    profile = await town.store.profiles.by_id("trainer", trainer.id)
    assert profile is not None
    assert (profile.name, profile.address, profile.specialization) == ("Erased account", None, ())
    await town.done((await town.make("admin")).delete(f"/admin/categories/{category}"))
