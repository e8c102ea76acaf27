"""A trainer's certificates: the words are public, the document is not."""

from __future__ import annotations

import asyncio
from typing import Any

from store.certificates import MAX_CERTIFICATES
from tests.catalogue.service import CatalogueService

BODY = {"certificateName": "First aid", "aboutYou": "Since 2010.\nRenewed twice."}


async def test_they_come_and_change_and_go(catalogue: CatalogueService) -> None:
    trainer = await catalogue.make("trainer")
    added = await trainer.post("/me/certificates", BODY)
    assert added.status == 201
    one = added.body
    assert {name: one[name] for name in BODY} == BODY
    assert (one["trainerId"], one["certificateDocument"]) == (trainer.id, None)
    other = await catalogue.done(trainer.post("/me/certificates", {"certificateName": "Yoga"}))
    assert (await trainer.get("/me/certificates")).body == {"items": [one, other], "nextCursor": None}
    assert (await trainer.get("/me/profile")).body["certificates"] == [one["id"], other["id"]]
    first = (await trainer.get("/me/certificates?limit=1")).body
    assert first["items"] == [one]
    rest = (await trainer.get(f"/me/certificates?limit=1&cursor={first['nextCursor']}")).body
    assert rest == {"items": [other], "nextCursor": None}
    path = f"/me/certificates/{one['id']}"
    changed = await catalogue.done(trainer.patch(path, {"aboutYou": None}))
    assert changed == {**one, "aboutYou": None, "updatedAt": changed["updatedAt"]}
    assert (await trainer.delete(path)).status == 204
    assert (await trainer.delete(path)).code == "not_found"
    assert (await trainer.get("/me/profile")).body["certificates"] == [other["id"]]


async def test_another_trainers_are_not_found(catalogue: CatalogueService) -> None:
    trainer, other = await catalogue.make("trainer"), await catalogue.make("trainer")
    one = await catalogue.done(trainer.post("/me/certificates", BODY))
    path = f"/me/certificates/{one['id']}"
    assert (await other.patch(path, {"certificateName": "Mine"})).code == "not_found"
    assert (await other.delete(path)).code == "not_found"
    assert (await trainer.get("/me/certificates")).body["items"] == [one]


async def test_the_document_is_for_its_owner_and_administrators(catalogue: CatalogueService) -> None:
    trainer = await catalogue.make("trainer")
    one = await catalogue.done(trainer.post("/me/certificates", BODY))
    path = f"/trainers/{trainer.id}"
    public = {name: value for name, value in one.items() if name != "certificateDocument"}
    assert (await catalogue.get(path)).body["certificates"] == [public]
    for role, sees in (("client", False), ("trainer", False), ("admin", True), ("superAdmin", True)):
        seen = (await (await catalogue.make(role)).get(path)).body["certificates"]  # type: ignore[arg-type]
        assert seen == [one if sees else public], role
    assert (await trainer.get(path)).body["certificates"] == [one]
    answer = await catalogue.surface.get(path, token="nonsense")
    assert (answer.status, answer.code) == (401, "unauthenticated")


async def test_what_is_no_certificate_is_refused(catalogue: CatalogueService) -> None:
    trainer = await catalogue.make("trainer")
    bad: list[tuple[dict[str, Any], str]] = [
        ({}, "certificateName"),
        ({"certificateName": " "}, "certificateName"),
        ({"certificateName": "x" * 121}, "certificateName"),
        ({"certificateName": "x", "aboutYou": "x" * 2001}, "aboutYou"),
        ({"certificateName": "x", "aboutYou": " \n"}, "aboutYou"),
        ({"certificateName": "x", "certificateDocument": "https://x.example/a.pdf"}, "certificateDocument"),
        ({"certificateName": "x", "trainerId": "0" * 24}, "trainerId"),
    ]
    for body, field in bad:
        answer = await trainer.post("/me/certificates", body)
        assert (answer.status, answer.body["errors"][0]["field"]) == (422, field)
    assert (await trainer.get("/me/certificates")).body["items"] == []


async def test_there_is_an_end_to_them_even_at_once(catalogue: CatalogueService) -> None:
    trainer = await catalogue.make("trainer")
    for start in range(0, MAX_CERTIFICATES - 1, 7):
        size = min(7, MAX_CERTIFICATES - 1 - start)
        await asyncio.gather(*(catalogue.done(trainer.post("/me/certificates", BODY)) for _ in range(size)))
    answers = await asyncio.gather(*(trainer.post("/me/certificates", BODY) for _ in range(4)))
    assert sorted(answer.status for answer in answers) == [201, 409, 409, 409]
    assert len((await trainer.get("/me/certificates?limit=100")).body["items"]) == MAX_CERTIFICATES


async def test_a_repeat_under_one_key_adds_one_and_deletes_one(catalogue: CatalogueService) -> None:
    trainer = await catalogue.make("trainer")
    key = {"Idempotency-Key": "k"}
    first, again = [await trainer.post("/me/certificates", BODY, headers=key) for _ in range(2)]
    assert (first.status, first.body) == (again.status, again.body)
    assert len((await trainer.get("/me/certificates")).body["items"]) == 1
    path = f"/me/certificates/{first.body['id']}"
    for _ in range(2):
        assert (await trainer.delete(path, headers=key)).status == 204
