"""Trainers whom a client keeps in mind."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.catalogue.service import CatalogueService


async def test_a_bookmark_is_there_once(catalogue: CatalogueService) -> None:
    client, trainer = await catalogue.make("client"), await catalogue.trainer()
    path = f"/me/bookmarks/{trainer.id}"
    answers = await asyncio.gather(*(client.put(path) for _ in range(5)))
    assert {answer.status for answer in answers} == {204}
    (item,) = (await client.get("/me/bookmarks")).body["items"]
    assert (item["trainer"], item["client"], item["card"]["id"]) == (trainer.id, client.id, trainer.id)
    (found,) = (await catalogue.get(f"/trainers?country={catalogue.mark}")).body["items"]
    assert item["card"] == found
    assert [(await client.delete(path)).status for _ in range(2)] == [204, 204]
    assert (await client.get("/me/bookmarks")).body == {"items": [], "nextCursor": None}


async def test_they_are_listed_newest_first_and_hidden_trainers_left_out(catalogue: CatalogueService) -> None:
    client, other = await catalogue.make("client"), await catalogue.make("client")
    trainers = [await catalogue.trainer() for _ in range(5)]
    for trainer in trainers:
        await catalogue.done(client.put(f"/me/bookmarks/{trainer.id}"))
    await catalogue.done(other.put(f"/me/bookmarks/{trainers[0].id}"))
    await catalogue.done(trainers[3].patch("/me", {"isActive": False}))
    seen: list[str] = []
    cursor, sizes = "", []
    while True:
        page = (await client.get(f"/me/bookmarks?limit=2{cursor}")).body
        seen += [item["trainer"] for item in page["items"]]
        sizes.append(len(page["items"]))
        if page["nextCursor"] is None:
            break
        cursor = f"&cursor={page['nextCursor']}"
    assert seen == [trainers[i].id for i in (4, 2, 1, 0)]
    assert sizes == [2, 2]
    await catalogue.done(trainers[3].patch("/me", {"isActive": True}))
    assert len((await client.get("/me/bookmarks")).body["items"]) == 5


async def test_only_who_may_be_found_can_be_kept_in_mind(catalogue: CatalogueService) -> None:
    client, trainer = await catalogue.make("client"), await catalogue.trainer()
    await catalogue.done(trainer.patch("/me", {"isActive": False}))
    for one in (trainer.id, client.id, "0" * 24):
        answer = await client.put(f"/me/bookmarks/{one}")
        assert (answer.status, answer.code) == (404, "not_found")
        assert (await client.delete(f"/me/bookmarks/{one}")).status == 204


@pytest.mark.parametrize("role", ["trainer", "admin"])
async def test_only_clients_have_them(catalogue: CatalogueService, role: Any) -> None:
    somebody, trainer = await catalogue.make(role), await catalogue.trainer()
    for method, path in (
        ("PUT", f"/me/bookmarks/{trainer.id}"),
        ("DELETE", f"/me/bookmarks/{trainer.id}"),
        ("GET", "/me/bookmarks"),
    ):
        assert (await somebody.call(method, path)).code == "forbidden"
