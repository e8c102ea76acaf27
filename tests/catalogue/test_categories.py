"""The categories of sessions, and who may keep them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.catalogue.service import CatalogueService, Member

ID = "0123456789abcdef01234567"


async def listed(catalogue: CatalogueService) -> dict[str, Any]:
    """The test's own categories by id, over all pages."""
    found: dict[str, Any] = {}
    cursor = ""
    while True:
        page = (await catalogue.get(f"/categories?limit=2{cursor}")).body
        found |= {one["id"]: one for one in page["items"] if catalogue.mark in one["name"]}
        if page["nextCursor"] is None:
            return found
        cursor = f"&cursor={page['nextCursor']}"


async def add(admin: Member, name: str) -> Any:
    return await admin.catalogue.done(admin.post("/admin/categories", {"name": name}))


async def add_sub(admin: Member, category: str, name: str) -> Any:
    return await admin.catalogue.done(admin.post("/admin/subcategories", {"name": name, "category": category}))


async def test_an_administrator_keeps_them(catalogue: CatalogueService) -> None:
    admin = await catalogue.make("superAdmin")
    names = [f"{name} {catalogue.mark}" for name in ("yoga", "Boxing", "ärobics", "Climbing")]
    ids = {name: (await add(admin, name))["id"] for name in names}
    yoga = ids[names[0]]
    subs = [(await add_sub(admin, yoga, name))["id"] for name in ("Yin", "hatha")]
    found = await listed(catalogue)
    assert [one["name"] for one in found.values()] == sorted(names, key=str.casefold)
    assert [(one["name"], one["category"]) for one in found[yoga]["subCategories"]] == [("hatha", yoga), ("Yin", yoga)]
    renamed = await catalogue.done(admin.patch(f"/admin/categories/{yoga}", {"name": f"YOGA {catalogue.mark}"}))
    assert (renamed["name"], len(renamed["subCategories"])) == (f"YOGA {catalogue.mark}", 2)
    boxing = ids[names[1]]
    moved = await catalogue.done(admin.patch(f"/admin/subcategories/{subs[0]}", {"name": "Kick", "category": boxing}))
    assert (moved["name"], moved["category"]) == ("Kick", boxing)
    assert (await admin.delete(f"/admin/subcategories/{subs[1]}")).status == 204
    assert (await admin.delete(f"/admin/categories/{boxing}")).status == 204
    found = await listed(catalogue)
    assert boxing not in found
    assert found[yoga]["subCategories"] == []
    assert (await admin.patch(f"/admin/subcategories/{subs[0]}", {"name": "x"})).status == 404


async def test_a_name_is_there_once_whatever_its_case(catalogue: CatalogueService) -> None:
    admin = await catalogue.make("admin")
    first = await add(admin, f"Straße {catalogue.mark}")
    other = await add(admin, f"Other {catalogue.mark}")
    for name in (f"STRASSE  {catalogue.mark.upper()}", f" straße {catalogue.mark} "):
        for answer in (
            await admin.post("/admin/categories", {"name": name}),
            await admin.patch(f"/admin/categories/{other['id']}", {"name": name}),
        ):
            assert (answer.status, answer.code) == (409, "conflict")
    await catalogue.done(admin.patch(f"/admin/categories/{first['id']}", {"name": f"STRASSE {catalogue.mark}"}))
    await add(admin, f"C++ {catalogue.mark}")
    await add(admin, f"C# {catalogue.mark}")
    sub = await add_sub(admin, first["id"], "One")
    again = await admin.post("/admin/subcategories", {"name": "ONE", "category": first["id"]})
    assert (again.status, again.code) == (409, "conflict")
    await add_sub(admin, other["id"], "one")
    moved = await admin.patch(f"/admin/subcategories/{sub['id']}", {"category": other["id"]})
    assert (moved.status, moved.code) == (409, "conflict")


async def test_of_many_with_one_name_one_is_added(catalogue: CatalogueService) -> None:
    admin = await catalogue.make("admin")
    names = [f"Race {catalogue.mark}", f"RACE {catalogue.mark}", f"race  {catalogue.mark}"] * 3
    answers = await asyncio.gather(*(admin.post("/admin/categories", {"name": name}) for name in names))
    assert sorted(answer.status for answer in answers) == [201] + [409] * 8
    assert len(await listed(catalogue)) == 1


@pytest.mark.parametrize("role", ["client", "trainer"])
async def test_nobody_else_may(catalogue: CatalogueService, role: Any) -> None:
    somebody = await catalogue.make(role)
    category, (sub,) = await catalogue.category("Sub")
    for method, path, body in (
        ("POST", "/admin/categories", {"name": "x"}),
        ("PATCH", f"/admin/categories/{category}", {"name": "x"}),
        ("DELETE", f"/admin/categories/{category}", None),
        ("POST", "/admin/subcategories", {"name": "x", "category": category}),
        ("PATCH", f"/admin/subcategories/{sub}", {"name": "x"}),
        ("DELETE", f"/admin/subcategories/{sub}", None),
    ):
        answer = await somebody.call(method, path, body)
        assert (answer.status, answer.code) == (403, "forbidden"), path
    assert (await listed(catalogue))[category]["subCategories"][0]["name"] == "Sub"


async def test_what_is_not_there(catalogue: CatalogueService) -> None:
    admin = await catalogue.make("admin")
    assert (await admin.patch(f"/admin/categories/{ID}", {"name": "x"})).status == 404
    assert (await admin.delete(f"/admin/categories/{ID}")).status == 404
    assert (await admin.delete(f"/admin/subcategories/{ID}")).status == 404
    answer = await admin.post("/admin/subcategories", {"name": "x", "category": ID})
    assert (answer.status, answer.body["errors"][0]["field"]) == (422, "category")
    _, (sub,) = await catalogue.category("Sub")
    answer = await admin.patch(f"/admin/subcategories/{sub}", {"category": ID})
    assert (answer.status, answer.body["errors"][0]["field"]) == (422, "category")


async def test_what_a_trainer_offers_stays(catalogue: CatalogueService) -> None:
    admin, trainer = await catalogue.make("admin"), await catalogue.make("trainer")
    category, (used, unused) = await catalogue.category("Used", "Unused")
    other, _ = await catalogue.category()
    await catalogue.offers(trainer, category, used)
    # Hidden trainers come back.
    await catalogue.done(trainer.patch("/me", {"isActive": False}))
    for answer in (
        await admin.delete(f"/admin/categories/{category}"),
        await admin.delete(f"/admin/subcategories/{used}"),
        await admin.patch(f"/admin/subcategories/{used}", {"category": other}),
    ):
        assert (answer.status, answer.code) == (409, "conflict")
    await catalogue.done(admin.delete(f"/admin/subcategories/{unused}"))
    await catalogue.done(trainer.put("/me/specializations", {"specializations": []}))
    await catalogue.done(admin.delete(f"/admin/categories/{category}"))
    assert category not in await listed(catalogue)


@pytest.mark.parametrize("what", ["category", "subcategory", "move"])
async def test_deleting_and_offering_at_once_never_leave_a_loose_end(catalogue: CatalogueService, what: str) -> None:
    admin, trainers = await catalogue.make("admin"), [await catalogue.make("trainer") for _ in range(2)]
    other, _ = await catalogue.category()
    for _ in range(6):
        category, (sub,) = await catalogue.category("Sub")
        body = {"specializations": [{"sessionCategory": category, "subCategories": [sub]}]}
        method, path, change = {
            "category": ("DELETE", f"/admin/categories/{category}", None),
            "subcategory": ("DELETE", f"/admin/subcategories/{sub}", None),
            "move": ("PATCH", f"/admin/subcategories/{sub}", {"category": other}),
        }[what]
        first, deleted, second = await asyncio.gather(
            trainers[0].put("/me/specializations", body),
            admin.call(method, path, change),
            trainers[1].put("/me/specializations", body),
        )
        offered = {answer.status for answer in (first, second)}
        assert (deleted.status, offered) in [(204, {422}), (200, {422}), (409, {200})]
        if deleted.status == 409:
            assert (await listed(catalogue))[category]["subCategories"][0]["id"] == sub
        for trainer in trainers:
            await catalogue.done(trainer.put("/me/specializations", {"specializations": []}))
        if what == "move" and deleted.status == 200:
            await catalogue.done(admin.delete(f"/admin/subcategories/{sub}"))


async def test_a_subcategory_added_to_a_category_that_goes_leaves_nothing(catalogue: CatalogueService) -> None:
    admin = await catalogue.make("admin")
    subs = catalogue.surface.database.collection("sessionSubCategories")
    for _ in range(6):
        category, _ = await catalogue.category()
        added, deleted = await asyncio.gather(
            admin.post("/admin/subcategories", {"name": catalogue.mark, "category": category}),
            admin.delete(f"/admin/categories/{category}"),
        )
        assert deleted.status == 204
        assert added.status in (201, 422)
        assert await subs.count_documents({"name": catalogue.mark}) == 0
