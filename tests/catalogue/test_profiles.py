"""One's own profile: the role's table, and of it only what is one's own to say."""

from __future__ import annotations

from typing import Any

import pytest

from tests.catalogue.service import CatalogueService

CLIENT: dict[str, Any] = {
    "name": "Ann", "address": "Street 1", "city": "Bern", "postalCode": "3000", "country": "CH",
    "phone": "+41 31 123 45 67",
}  # fmt: skip
TRAINER: dict[str, Any] = {
    "name": "Tom", "address": "Street 2", "city": "Genève", "zipCode": "1200", "country": "CH", "phone": "022 1234567",
    "yearsOfExperience": 7, "studioName": "Loft", "studioAddress": "Quai 3", "studioCity": "Lausanne",
    "studioZipCode": "1000", "studioCountry": "CH", "instagramUrl": "https://instagram.com/tom",
    "websiteUrl": "http://tom.example:8080/a?b=c#d",
}  # fmt: skip
ADMIN: dict[str, Any] = {"name": "Ada", "phone": "123"}
TABLES = [("client", CLIENT), ("trainer", TRAINER), ("admin", ADMIN), ("superAdmin", ADMIN)]


@pytest.mark.parametrize(("role", "fields"), TABLES)
async def test_what_is_said_is_kept_and_null_clears_it(
    catalogue: CatalogueService, role: Any, fields: dict[str, Any]
) -> None:
    somebody = await catalogue.make(role)
    before = (await somebody.get("/me/profile")).body
    assert (before["id"], before["user"]) == (somebody.id, {"id": somebody.person.id})
    assert before["email"] == somebody.person.email
    assert fields.keys() <= before.keys()
    changed = await catalogue.done(somebody.patch("/me/profile", fields))
    assert {name: changed[name] for name in fields} == fields
    assert changed == (await somebody.get("/me/profile")).body
    for name in fields.keys() - {"name"}:
        assert (await catalogue.done(somebody.patch("/me/profile", {name: None})))[name] is None
    cleared = (await somebody.get("/me/profile")).body
    assert {**cleared, "name": before["name"], "updatedAt": before["updatedAt"]} == before


@pytest.mark.parametrize(("role", "fields"), TABLES)
async def test_a_change_leaves_the_rest(catalogue: CatalogueService, role: Any, fields: dict[str, Any]) -> None:
    somebody = await catalogue.make(role)
    await catalogue.done(somebody.patch("/me/profile", fields))
    changed = await catalogue.done(somebody.patch("/me/profile", {"phone": "999"}))
    assert {name: changed[name] for name in fields} == {**fields, "phone": "999"}
    assert await catalogue.done(somebody.patch("/me/profile", {})) == changed


NOBODYS = {
    "id": "0" * 24, "_id": "0" * 24, "user": "0" * 24, "email": "x@example.com", "role": "admin", "certificates": [],
    "specialization": [], "stripeConnectAccountId": "acct_1", "isStripeConnected": True, "createdAt": "x",
    "updatedAt": "x", "isVerified": True, "profileId": "0" * 24, "$set": {"name": "x"}, "name.x": "y",
    "rating": {"average": 5, "count": 9},
}  # fmt: skip


@pytest.mark.parametrize(("role", "fields"), TABLES)
async def test_what_is_not_ones_own_to_say_is_refused(
    catalogue: CatalogueService, role: Any, fields: dict[str, Any]
) -> None:
    somebody = await catalogue.make(role)
    before = (await somebody.get("/me/profile")).body
    others = {name: value for _, table in TABLES for name, value in table.items() if name not in fields}
    for name, value in {**NOBODYS, **others}.items():
        answer = await somebody.patch("/me/profile", {"phone": "1234", name: value})
        assert (answer.status, answer.code) == (422, "validation_failed"), name
        assert answer.body["errors"][0] == {"field": name, "message": "is not a known field"}
    assert (await somebody.get("/me/profile")).body == before


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", None), ("name", ""), ("name", "  "), ("name", "x" * 121), ("name", "a\nb"),
        ("phone", ""), ("phone", "call me"), ("phone", "1" * 41), ("phone", "12"), ("phone", {"$ne": 1}),
        ("city", ""), ("city", "x" * 121), ("city", 5), ("address", "x" * 201), ("address", "a\u0000"),
        ("zipCode", "x" * 21), ("yearsOfExperience", -1), ("yearsOfExperience", 81), ("yearsOfExperience", 1.5),
        ("yearsOfExperience", "7"), ("yearsOfExperience", True),
        ("instagramUrl", "instagram.com/tom"), ("instagramUrl", "javascript:alert(1)"), ("instagramUrl", "ftp://x.example"),
        ("websiteUrl", "data:text/html,x"), ("websiteUrl", "https://"), ("websiteUrl", "https://a b.example"),
        ("websiteUrl", "https://bank.example@evil.example"), ("websiteUrl", "https://x.example/\n"),
        ("websiteUrl", "https://x.example/\"onclick="), ("websiteUrl", "https://x.example/" + "x" * 500),
        ("websiteUrl", " https://x.example"), ("service_images", "x"), ("service_images", ["x"]),
        ("service_images", ["0" * 24] * 21), ("profile_image", "https://x.example/a.png"), ("profile_image", 5),
    ],
)  # fmt: skip
async def test_a_value_out_of_bounds_is_refused_by_its_name(
    catalogue: CatalogueService, field: str, value: Any
) -> None:
    trainer = await catalogue.make("trainer")
    answer = await trainer.patch("/me/profile", {field: value})
    assert (answer.status, answer.code) == (422, "validation_failed")
    assert answer.body["errors"][0]["field"].startswith(field)


async def test_a_public_page_shows_what_is_public(catalogue: CatalogueService) -> None:
    trainer = await catalogue.make("trainer")
    await catalogue.done(trainer.patch("/me/profile", TRAINER))
    page = (await catalogue.get(f"/trainers/{trainer.id}")).body
    private = {"address", "zipCode", "phone"}
    assert {name: page[name] for name in TRAINER.keys() - private} == {
        name: value for name, value in TRAINER.items() if name not in private
    }
    assert not {*private, "email", "stripeConnectAccountId", "isStripeConnected"} & page.keys()
    assert page["user"] == {"id": trainer.person.id}
    assert page["rating"] == {"average": None, "count": 0}
    assert (page["certificates"], page["specializations"], page["timeZone"]) == ([], [], "UTC")


@pytest.mark.parametrize("one", ["0" * 24, "x", "client"])
async def test_who_is_no_trainer_has_no_page(catalogue: CatalogueService, one: str) -> None:
    if one == "client":
        one = (await catalogue.make("client")).id
    answer = await catalogue.get(f"/trainers/{one}")
    assert (answer.status, answer.code) in [(404, "not_found"), (422, "validation_failed")]


async def test_the_account_of_stripe_is_nobody_elses(catalogue: CatalogueService) -> None:
    trainer, other = await catalogue.make("trainer"), await catalogue.make("client")
    secret = f"acct_{catalogue.mark}"
    trainers = catalogue.surface.database.collection("trainers")
    await trainers.update_one({"email": trainer.person.email}, {"$set": {"stripeConnectAccountId": secret}})
    await catalogue.done(other.put(f"/me/bookmarks/{trainer.id}"))
    paths = (f"/trainers/{trainer.id}", "/trainers?limit=100", "/me/bookmarks")
    for answer in [await other.get(path) for path in paths]:
        assert trainer.id in answer.text
        assert secret not in answer.text


async def test_a_repeated_change_under_one_key_happens_once(catalogue: CatalogueService) -> None:
    client = await catalogue.make("client")
    key = {"Idempotency-Key": "k"}
    first = await client.patch("/me/profile", {"city": "Bern"}, headers=key)
    await catalogue.done(client.patch("/me/profile", {"city": "Basel"}))
    again = await client.patch("/me/profile", {"city": "Bern"}, headers=key)
    assert again.body == first.body
    assert (await client.get("/me/profile")).body["city"] == "Basel"
    other = await client.patch("/me/profile", {"city": "Chur"}, headers=key)
    assert (other.status, other.code) == (409, "idempotency_conflict")
