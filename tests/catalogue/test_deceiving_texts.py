"""Names and addresses that look like others: what moves letters around, what nobody sees, hosts that are none."""

from __future__ import annotations

import secrets
from typing import Any

import pytest
from bson import ObjectId

from tests.catalogue.service import CatalogueService

# Unicode's Bidi_Control, and a few of what is invisible or breaks a line.
BIDIRECTIONAL = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
UNSEEN = BIDIRECTIONAL + "\u200b\u2028\u2029\u2060\ufeff\u0085\u00ad"
LINES = (
    "name", "city", "address", "country", "zipCode", "studioName", "studioAddress", "studioCity", "studioZipCode",
    "studioCountry",
)  # fmt: skip
ADDRESSES = ("websiteUrl", "instagramUrl")


@pytest.mark.parametrize("field", LINES)
async def test_no_line_of_a_profile_takes_what_nobody_sees(catalogue: CatalogueService, field: str) -> None:
    trainer = await catalogue.make("trainer")
    for character in UNSEEN:
        answer = await trainer.patch("/me/profile", {field: f"Ann{character}gnp"})
        assert (answer.status, answer.code) == (422, "validation_failed"), ascii(character)
        assert [error["field"] for error in answer.body["errors"]] == [field]


@pytest.mark.parametrize("name", ["\u3164", "\u2800\u2800", "\u200d", "\ufe0f ", "\u200c\u200d"])
async def test_a_name_shows_something(catalogue: CatalogueService, name: str) -> None:
    client = await catalogue.make("client")
    assert (await client.patch("/me/profile", {"name": name})).code == "validation_failed"


@pytest.mark.parametrize("name", ["نیک‌پی", "שרה לוי", "क्‍ष", "Ann 👩‍🏫", "O’Neill", "Zoë  Müller", "李小龍"])
async def test_names_of_all_scripts_are_names(catalogue: CatalogueService, name: str) -> None:
    client = await catalogue.make("client")
    assert (await client.patch("/me/profile", {"name": name})).body["name"] == name


async def test_nor_does_any_other_name(catalogue: CatalogueService) -> None:
    admin, trainer = await catalogue.make("admin"), await catalogue.make("trainer")
    category, (sub,) = await catalogue.category("Sub")
    certificate = (await catalogue.done(trainer.post("/me/certificates", {"certificateName": "Yoga"})))["id"]
    deceiving, email = "Ann\u202egnp", f"{secrets.token_hex(6)}@people.test"
    account: dict[str, Any] = {"email": email, "password": "correct horse battery"}
    registration = {**account, "role": "client", "name": "Ann"}
    visitor = catalogue.surface.call
    for field, answer in (
        ("name", await admin.post("/admin/categories", {"name": deceiving})),
        ("name", await admin.patch(f"/admin/categories/{category}", {"name": deceiving})),
        ("name", await admin.post("/admin/subcategories", {"name": deceiving, "category": category})),
        ("name", await admin.patch(f"/admin/subcategories/{sub}", {"name": deceiving})),
        ("certificateName", await trainer.post("/me/certificates", {"certificateName": deceiving})),
        ("certificateName", await trainer.patch(f"/me/certificates/{certificate}", {"certificateName": deceiving})),
        ("name", await visitor("POST", "/v1/auth/register", {**registration, "name": deceiving})),
        ("email", await visitor("POST", "/v1/auth/register", {**registration, "email": f"a\u202e{email}"})),
        ("device", await visitor("POST", "/v1/auth/login", {**account, "device": deceiving})),
    ):  # fmt: skip
        assert (answer.status, answer.code) == (422, "validation_failed"), answer.text
        assert [error["field"] for error in answer.body["errors"]] == [field]


@pytest.mark.parametrize("field", ADDRESSES)
@pytest.mark.parametrize(
    "address",
    [
        "https://..", "https://.", "https://a..b", "https://.example", "https://:80", "https://:", "https://x.example:0",
        "https://x.example:65536", "https://x.example:x", "https://-x.example", "https://x-.example", "https://%41.example",
        "https://x%2eexample", "https://" + "x" * 64 + ".example", "https://" + "x." * 130 + "example", "https://[zz]",
        "https://[::1", "https://256.1.1.1", "https://1.2.3", "https://0x7f.1", "https://xn--a", "https://x\u202e.example",
        "https://x.example/\u202egnp", "https://x.example/#\u2066", "https://x\u200b.example", "https://x\u00ad.example",
        "https://user@x.example", "https:///x", "https://x.example?\u200f", "https://[v1.x]", "https://[::g]",
        "https://[fe80::1%25eth0]",
    ],
)  # fmt: skip
async def test_what_is_no_address_is_refused(catalogue: CatalogueService, field: str, address: str) -> None:
    trainer = await catalogue.make("trainer")
    answer = await trainer.patch("/me/profile", {field: address})
    assert (answer.status, answer.code) == (422, "validation_failed")
    assert [error["field"] for error in answer.body["errors"]] == [field]


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        # The first letter is Cyrillic; then all of them are; then none is Latin or looks like it.
        ("https://\u0430pple.example/login", "https://xn--pple-43d.example/login"),
        ("https://\u0430\u0440\u0440\u04cf\u0435.example", "https://xn--80ak6aa92e.example"),
        ("http://\u4f8b\u3048.example:8080/a?b#\u00e9", "http://xn--r8jz45g.example:8080/a?b#\u00e9"),
        ("https://\uff58.example/", "https://x.example/"),
        ("https://x\u3002example", "https://x.example"),
        *((same, same) for same in (
            "https://xn--pple-43d.example/login", "HTTPS://X.Example/A", "https://x_y.example.:8443/?a=%41",
            "https://192.0.2.1/", "https://[2001:db8::1]:80/", "https://x.example/\u00e9",
        )),
    ],
)  # fmt: skip
async def test_hosts_are_shown_in_ascii(catalogue: CatalogueService, given: str, shown: str) -> None:
    trainer = await catalogue.make("trainer")
    own = await catalogue.done(trainer.patch("/me/profile", dict.fromkeys(ADDRESSES, given)))
    page = (await catalogue.get(f"/trainers/{trainer.id}")).body
    assert [body[field] for body in (own, page) for field in ADDRESSES] == [shown] * 4


async def test_what_earlier_versions_took_is_shown_no_other_way(catalogue: CatalogueService) -> None:
    trainer = await catalogue.make("trainer")
    earlier = {"websiteUrl": "https://\u0430pple.example", "instagramUrl": "https://.."}
    trainers = catalogue.surface.database.collection("trainers")
    await trainers.update_one({"_id": ObjectId(trainer.id)}, {"$set": earlier})
    own, page = (await trainer.get("/me/profile")).body, (await catalogue.get(f"/trainers/{trainer.id}")).body
    for body in (own, page):
        assert (body["websiteUrl"], body["instagramUrl"]) == ("https://xn--pple-43d.example", None)
