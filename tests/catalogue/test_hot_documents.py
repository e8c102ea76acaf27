"""One account at full tilt, and others beside it whose commands touch what it writes: they are served in time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from bson import ObjectId

from domain.times import whole_milliseconds
from handlers.catalogue.reviews import ratings_job
from tests.catalogue.ratings import check_rating
from tests.catalogue.service import CatalogueService, Member
from tests.rest.surface import Answer

# Three times what is promised.
SERVED_WITHIN_SECONDS = 6.0
AT_ONCE = 12

Ask = Callable[[int], Awaitable[Answer]]


@asynccontextmanager
async def at_full_tilt(ask: Ask) -> AsyncIterator[list[int]]:
    """So many at once, each anew as soon as it is answered; the statuses."""
    numbers, statuses = count(), list[int]()
    busy = asyncio.Event()

    async def go_on() -> None:
        while True:
            statuses.append((await ask(next(numbers))).status)
            busy.set()

    tasks = [asyncio.create_task(go_on()) for _ in range(AT_ONCE)]
    try:
        await busy.wait()
        yield statuses
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def served(asked: Awaitable[Answer], status: int) -> Any:
    async with asyncio.timeout(SERVED_WITHIN_SECONDS):
        answer = await asked
    assert answer.status == status, answer.text
    return answer.body


def moving(trainer: Member) -> Ask:
    return lambda number: trainer.patch("/me/profile", {"city": f"City {number}"})


async def test_reviews_beside_a_trainer_who_changes_the_profile(catalogue: CatalogueService) -> None:
    trainer = await catalogue.trainer()
    clients = [await catalogue.make("client") for _ in range(8)]
    bookings = [(client, await catalogue.booking(client, trainer)) for client in clients]
    async with at_full_tilt(moving(trainer)) as statuses:
        for number, (client, booking) in enumerate(bookings):
            body = {"rating": 1 + number % 5}
            review = await served(client.post(f"/bookings/{booking}/review", body), 201)
            await served(client.patch(f"/reviews/{review['id']}", {"rating": 3}), 200)
            if number % 2:
                await served(client.delete(f"/reviews/{review['id']}"), 204)
    assert set(statuses) == {200}
    await check_rating(catalogue, trainer)


async def test_a_block_beside_a_trainer_who_changes_everything(catalogue: CatalogueService) -> None:
    trainer, admin = await catalogue.trainer(), await catalogue.make("admin")

    async def ask(number: int) -> Answer:
        if number % 2:
            return await trainer.patch("/me", {"isActive": number % 4 == 1})
        return await trainer.patch("/me/profile", {"city": f"City {number}"})

    async with at_full_tilt(ask):
        await served(admin.post(f"/admin/users/{trainer.person.id}/block", {"reason": "test"}), 204)
    assert await catalogue.found() == []


async def test_a_category_that_one_trainer_begins_and_ends_to_use(catalogue: CatalogueService) -> None:
    category, (sub,) = await catalogue.category("Sub")
    greedy, quiet, admin = await catalogue.trainer(), await catalogue.trainer(), await catalogue.make("admin")
    offered = {"specializations": [{"sessionCategory": category, "subCategories": [sub]}]}
    nothing: dict[str, Any] = {"specializations": []}

    async def ask(number: int) -> Answer:
        return await greedy.put("/me/specializations", nothing if number % 2 else offered)

    async with at_full_tilt(ask) as statuses:
        for number in range(4):
            await served(quiet.put("/me/specializations", nothing if number % 2 else offered), 200)
            await served(admin.patch(f"/admin/categories/{category}", {"name": f"{catalogue.mark} {number}"}), 200)
            body = {"name": f"Sub {number}"}
            await served(admin.patch(f"/admin/subcategories/{sub}", body), 200)
    assert set(statuses) == {200}


async def test_what_is_in_use_all_along_is_left_alone(catalogue: CatalogueService) -> None:
    """A trainer who says the same again writes nothing that others use."""
    category, (sub,) = await catalogue.category("Sub")
    trainer = await catalogue.trainer()
    categories = catalogue.surface.database.collection("sessionCategories")

    async def uses() -> int:
        found = await categories.find_one({"_id": ObjectId(category)})
        assert found is not None
        return int(found["uses"])

    await catalogue.offers(trainer, category, sub)
    before = await uses()
    await catalogue.offers(trainer, category, sub)
    await catalogue.offers(trainer, category)
    assert await uses() == before
    await catalogue.offers(trainer, (await catalogue.category())[0])
    await catalogue.offers(trainer, category)
    assert await uses() == before + 1


async def test_transactions_of_somebody_who_has_nothing_to_do_with_it(catalogue: CatalogueService) -> None:
    greedy, quiet = await catalogue.trainer(), await catalogue.trainer()

    async def ask(number: int) -> Answer:
        if number % 3 == 0:
            return await greedy.post("/me/certificates", {"certificateName": f"{number}"})
        return await moving(greedy)(number)

    async with at_full_tilt(ask):
        for number in range(8):
            await served(moving(quiet)(number), 200)


async def test_what_a_dead_node_left_is_counted_by_another(
    catalogue: CatalogueService, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer, client = await catalogue.trainer(), await catalogue.make("client")

    async def die(trainer_id: str) -> None:
        """After the commit."""

    with monkeypatch.context() as patched:
        patched.setattr(catalogue.store.listings, "count_ratings", die)
        for stars in (5, 2):
            await catalogue.review(trainer, stars, client)
    assert (await catalogue.get(f"/trainers/{trainer.id}")).body["rating"] == {"average": None, "count": 0}
    job = ratings_job(catalogue.surface.context)
    later = whole_milliseconds(catalogue.surface.clock()) + timedelta(minutes=1)
    while (row := await job.queue.claim(later, job.lease)) is not None:
        await job.work(row)
        await job.queue.complete(row)
    await check_rating(catalogue, trainer)
    rows = catalogue.surface.database.collection("ratingChanges")
    assert await rows.count_documents({"trainer": ObjectId(trainer.id)}) == 0
