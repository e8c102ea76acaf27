"""Commands with a key whose server dies right after the commit, or is so slow that a repeat overtakes it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from tests.catalogue.service import CatalogueService, Member
from tests.harness.claims import run_out_of_claims
from tests.rest.surface import Answer

KEY = {"Idempotency-Key": "k"}
Body = Callable[[Any], Awaitable[Any]]


@dataclass(frozen=True)
class CreationCase:
    """A command that makes a row, where the rows are listed, and where one is removed."""

    who: Member
    path: str
    body: dict[str, Any]
    listed: str
    each: str

    async def do(self) -> Answer:
        return await self.who.post(self.path, self.body, headers=KEY)

    async def made(self) -> list[Any]:
        items = (await self.who.get(f"{self.listed}?limit=100")).body["items"]
        mark = self.who.catalogue.mark
        return [one for one in items if "name" not in one or mark in one["name"]]


async def exception(catalogue: CatalogueService) -> CreationCase:
    path, day = "/me/availability/exceptions", str(catalogue.surface.clock().date() + timedelta(days=3))
    return CreationCase(await catalogue.trainer(), path, {"date": day}, path, path)


async def certificate(catalogue: CatalogueService) -> CreationCase:
    path = "/me/certificates"
    return CreationCase(await catalogue.trainer(), path, {"certificateName": "First aid"}, path, path)


async def review(catalogue: CatalogueService) -> CreationCase:
    client, trainer = await catalogue.make("client"), await catalogue.trainer()
    path = f"/bookings/{await catalogue.booking(client, trainer)}/review"
    return CreationCase(client, path, {"rating": 4}, f"/trainers/{trainer.id}/reviews", "/reviews")


async def category(catalogue: CatalogueService) -> CreationCase:
    path, body = "/admin/categories", {"name": f"Yoga {catalogue.mark}"}
    return CreationCase(await catalogue.make("admin"), path, body, "/categories", path)


MAKING = [exception, certificate, review, category]


@asynccontextmanager
async def dying(catalogue: CatalogueService) -> AsyncIterator[None]:
    """The server dies when it has committed: it answers nothing, and neither keeps nor releases a key any more."""
    database, keys = catalogue.surface.database, catalogue.store.idempotency
    commit = database.transaction

    async def dies(*_: Any) -> None:
        raise RuntimeError("killed")

    async def commits(body: Body, **how: Any) -> None:
        await commit(body, **how)
        await dies()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "transaction", commits)
        patch.setattr(keys, "keep", dies)
        patch.setattr(keys, "release", dies)
        yield
    await run_out_of_claims(database)


@asynccontextmanager
async def overtaken(
    catalogue: CatalogueService, repeat: Callable[[], Awaitable[Answer]]
) -> AsyncIterator[list[Answer]]:
    """The first stalls before its transaction until its claim counts as abandoned and a repeat has been answered."""
    database = catalogue.surface.database
    commit, answers = database.transaction, list[Answer]()
    with pytest.MonkeyPatch.context() as patch:

        async def stalls(body: Body, **how: Any) -> Any:
            patch.undo()
            await run_out_of_claims(database)
            answers.append(await repeat())
            return await commit(body, **how)

        patch.setattr(database, "transaction", stalls)
        yield answers


@pytest.mark.parametrize("of", MAKING)
async def test_what_a_dead_server_made_is_answered(
    catalogue: CatalogueService, of: Callable[[CatalogueService], Awaitable[CreationCase]]
) -> None:
    making = await of(catalogue)
    async with dying(catalogue):
        assert (await making.do()).status == 500
    (made,) = await making.made()
    for _ in range(2):
        again = await making.do()
        assert (again.status, again.body) == (201, made)
    assert await making.made() == [made]


async def test_the_subcategory_of_a_dead_server_is_answered(catalogue: CatalogueService) -> None:
    admin, (within, _) = await catalogue.make("admin"), await catalogue.category()
    body = {"name": "Yin", "category": within}
    async with dying(catalogue):
        assert (await admin.post("/admin/subcategories", body, headers=KEY)).status == 500
    again = await admin.post("/admin/subcategories", body, headers=KEY)
    assert (again.status, again.body["name"], again.body["category"]) == (201, "Yin", within)
    path = f"/admin/subcategories/{again.body['id']}"
    async with dying(catalogue):
        assert (await admin.delete(path, headers=KEY)).status == 500
    assert (await admin.delete(path, headers=KEY)).status == 204
    assert (await admin.delete(path)).code == "not_found"


@pytest.mark.parametrize("of", MAKING)
async def test_what_a_dead_server_removed_is_removed(
    catalogue: CatalogueService, of: Callable[[CatalogueService], Awaitable[CreationCase]]
) -> None:
    making = await of(catalogue)
    path = f"{making.each}/{(await catalogue.done(making.do()))['id']}"
    async with dying(catalogue):
        assert (await making.who.delete(path, headers=KEY)).status == 500
    assert await making.made() == []
    assert (await making.who.delete(path, headers=KEY)).status == 204
    assert (await making.who.delete(path)).code == "not_found"


@pytest.mark.parametrize("of", MAKING)
async def test_who_was_overtaken_makes_nothing(
    catalogue: CatalogueService, of: Callable[[CatalogueService], Awaitable[CreationCase]]
) -> None:
    making = await of(catalogue)
    async with overtaken(catalogue, making.do) as answers:
        slow = await making.do()
    # Names and reviews are unique by themselves, and found to be there first.
    assert slow.code in ("unavailable", "conflict")
    assert await making.made() == [answers[0].body]
    assert (await making.do()).body == answers[0].body


async def test_who_was_overtaken_keeps_nothing(catalogue: CatalogueService) -> None:
    trainer = await catalogue.trainer()
    one = await catalogue.done(trainer.post("/me/certificates", {"certificateName": "First aid"}))

    async def rename() -> Answer:
        return await trainer.patch(f"/me/certificates/{one['id']}", {"certificateName": "Yoga"}, headers=KEY)

    async with overtaken(catalogue, rename) as answers:
        assert (await rename()).code == "unavailable"
    assert (await rename()).body == answers[0].body
