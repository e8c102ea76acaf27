"""The files of profiles and certificates: one's own uploads, in use exactly as long as something shows them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from bson import ObjectId

from domain.files import FileKind, StoredFile
from domain.times import whole_milliseconds
from tests.catalogue.service import CatalogueService, Member
from tests.rest.surface import PASSWORD

TYPES: dict[FileKind, str] = {"image": "image/png", "pdf": "application/pdf", "video": "video/mp4"}


async def uploaded(catalogue: CatalogueService, owner: Member, kind: FileKind = "image", **more: Any) -> str:
    """The id of a file as an upload would have left it."""
    content = f"{kind} of {owner.id}".encode()
    file = StoredFile(
        id=catalogue.store.files.new_id(),
        owner_id=owner.person.id,
        kind=kind,
        content_type=TYPES[kind],
        size=len(content),
        digest="0" * 64,
        name=f"a.{kind}",
        created_at=whole_milliseconds(catalogue.surface.clock()),
        **more,
    )

    async def once() -> AsyncIterator[bytes]:
        yield content

    await catalogue.store.files.write(file, once())
    return file.id


async def uses(catalogue: CatalogueService, file_id: str) -> set[tuple[str, str]]:
    file = await catalogue.store.files.by_id(file_id)
    assert file is not None
    return {(use.kind, use.id) for use in file.uses}


async def is_let_go(catalogue: CatalogueService, file_id: str) -> bool:
    """Whether the sweeper will take it away, nothing using it."""
    found = await catalogue.surface.database.collection("files").find_one({"_id": ObjectId(file_id)})
    assert found is not None
    assert bool(found.get("released")) is ("checkAt" in found)
    return bool(found.get("released") and not found["uses"])


async def fetched(catalogue: CatalogueService, url: str) -> str:
    answer = await catalogue.surface.call("GET", url.removeprefix(catalogue.surface.url))
    assert answer.status == 200, answer.text
    return answer.text


@pytest.mark.parametrize("role", ["client", "trainer", "admin"])
async def test_a_picture_is_shown_by_a_signed_url(catalogue: CatalogueService, role: Any) -> None:
    somebody = await catalogue.make(role)
    one, other = await uploaded(catalogue, somebody), await uploaded(catalogue, somebody)
    changed = await catalogue.done(somebody.patch("/me/profile", {"profile_image": one}))
    assert one in changed["profile_image"]
    assert await fetched(catalogue, changed["profile_image"]) == f"image of {somebody.id}"
    assert await uses(catalogue, one) == {("profile", somebody.id)}
    await catalogue.done(somebody.patch("/me/profile", {"profile_image": one}))
    assert not await is_let_go(catalogue, one)
    await catalogue.done(somebody.patch("/me/profile", {"profile_image": other}))
    assert await is_let_go(catalogue, one)
    assert await uses(catalogue, other) == {("profile", somebody.id)}
    assert (await catalogue.done(somebody.patch("/me/profile", {"profile_image": None})))["profile_image"] is None
    assert await is_let_go(catalogue, other)


async def test_service_images_come_and_go_one_by_one(catalogue: CatalogueService) -> None:
    trainer = await catalogue.trainer()
    images = [await uploaded(catalogue, trainer) for _ in range(4)]
    await catalogue.done(trainer.patch("/me/profile", {"service_images": images[:3]}))
    page = (await catalogue.get(f"/trainers/{trainer.id}")).body
    assert [one in url for one, url in zip(images, page["service_images"], strict=False)] == [True] * 3
    await catalogue.done(trainer.patch("/me/profile", {"service_images": [images[3], images[1]]}))
    assert [await is_let_go(catalogue, one) for one in images] == [True, False, True, False]
    await catalogue.done(trainer.patch("/me/profile", {"profile_image": images[1], "service_images": None}))
    assert await uses(catalogue, images[1]) == {("profile", trainer.id)}
    assert await is_let_go(catalogue, images[3])


async def test_what_is_not_ones_own_picture_is_refused_and_nothing_changes(catalogue: CatalogueService) -> None:
    trainer, other = await catalogue.trainer(city="Bern"), await catalogue.make("trainer")
    mine = await uploaded(catalogue, trainer)
    for file_id in (
        await uploaded(catalogue, other),
        await uploaded(catalogue, trainer, "pdf"),
        await uploaded(catalogue, trainer, "video"),
        await uploaded(catalogue, trainer, thumbnail_of=mine),
        "0" * 24,
    ):
        for body, field in (
            ({"profile_image": file_id, "city": "Basel"}, "profile_image"),
            ({"service_images": [mine, file_id], "city": "Basel"}, "service_images[1]"),
        ):
            answer = await trainer.patch("/me/profile", body)
            assert (answer.status, answer.body["errors"][0]["field"]) == (422, field)
    assert (await trainer.get("/me/profile")).body["city"] == "Bern"
    assert await uses(catalogue, mine) == set()
    body = {"certificateName": "x", "certificateDocument": await uploaded(catalogue, trainer, "video")}
    answer = await trainer.post("/me/certificates", body)
    assert (answer.status, answer.body["errors"][0]["field"]) == (422, "certificateDocument")
    assert (await trainer.get("/me/profile")).body["certificates"] == []


async def test_of_changes_at_once_the_one_that_stands_keeps_its_picture(catalogue: CatalogueService) -> None:
    client = await catalogue.make("client")
    images = [await uploaded(catalogue, client) for _ in range(3)]
    for _ in range(4):
        await asyncio.gather(
            *(catalogue.done(client.patch("/me/profile", {"profile_image": one})) for one in (*images, None))
        )
        shown = (await client.get("/me/profile")).body["profile_image"]
        for one in images:
            assert (await uses(catalogue, one) == {("profile", client.id)}) is (shown is not None and one in shown)


async def test_a_document_is_for_its_owner_and_administrators(catalogue: CatalogueService) -> None:
    trainer, other, admin = [await catalogue.make(role) for role in ("trainer", "client", "admin")]
    document = await uploaded(catalogue, trainer, "pdf")
    body = {"certificateName": "First aid", "certificateDocument": document}
    one = await catalogue.done(trainer.post("/me/certificates", body))
    assert await fetched(catalogue, one["certificateDocument"]) == f"pdf of {trainer.id}"
    assert await uses(catalogue, document) == {("certificate", one["id"])}
    path = f"/trainers/{trainer.id}"
    for seen in (await catalogue.get(path), await other.get(path)):
        assert document not in seen.text
    (shown,) = (await admin.get(path)).body["certificates"]
    assert document in shown["certificateDocument"]
    statuses = [(await one.get(f"/files/{document}")).status for one in (trainer, admin, other)]
    assert statuses == [200, 200, 404]
    scan = await uploaded(catalogue, trainer)
    await catalogue.done(trainer.patch(f"/me/certificates/{one['id']}", {"certificateDocument": scan}))
    assert await is_let_go(catalogue, document)
    await catalogue.done(trainer.patch(f"/me/certificates/{one['id']}", {"aboutYou": "Since 2010"}))
    assert await uses(catalogue, scan) == {("certificate", one["id"])}
    await catalogue.done(trainer.delete(f"/me/certificates/{one['id']}"))
    assert await is_let_go(catalogue, scan)


async def test_an_erased_account_lets_go_of_everything(catalogue: CatalogueService) -> None:
    email = f"{catalogue.mark}@example.com"
    tokens = await catalogue.surface.sign_up(email, role="trainer", name="Nadia")
    trainer = Member(catalogue, await catalogue.person(email, tokens["accessToken"]), tokens["user"]["profileId"])
    image, service, document = [await uploaded(catalogue, trainer) for _ in range(3)]
    await catalogue.done(trainer.patch("/me/profile", {"profile_image": image, "service_images": [service]}))
    await catalogue.done(trainer.post("/me/certificates", {"certificateName": "x", "certificateDocument": document}))
    await catalogue.done(trainer.post("/me/erase", {"password": PASSWORD}))
    assert [await is_let_go(catalogue, one) for one in (image, service, document)] == [True] * 3
