"""A trainer's rating equals the reviews, whatever happens to them at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.catalogue import Review
from domain.times import whole_milliseconds
from store.idempotency import nothing
from tests.catalogue.ratings import check_listing, check_rating, stars
from tests.catalogue.service import CatalogueService, Member
from tests.rest.surface import Answer


async def test_many_clients_at_once(catalogue: CatalogueService) -> None:
    """Each writes, changes and some remove their reviews while the trainer's profile changes too."""
    trainer, admin = await catalogue.trainer(), await catalogue.make("admin")
    clients = [await catalogue.make("client") for _ in range(8)]
    bookings = [(client, await catalogue.booking(client, trainer)) for client in clients for _ in range(2)]

    async def life(number: int, client: Member, booking: str) -> None:
        body = {"rating": 1 + number % 5}
        review = await _until_done(partial(client.post, f"/bookings/{booking}/review", body), 201)
        path = f"/reviews/{review['id']}"
        await _until_done(partial(client.patch, path, {"rating": 1 + (number * 3) % 5}), 200)
        if number % 3 == 0:
            await _until_done(partial((admin if number % 2 else client).delete, path), 204)

    async def others() -> None:
        for number in range(5):
            await _until_done(partial(trainer.patch, "/me/profile", {"city": f"City {number}"}), 200)

    await asyncio.gather(*(life(number, *one) for number, one in enumerate(bookings)), others())
    assert len(await stars(catalogue, trainer)) == 10
    await check_rating(catalogue, trainer)
    assert trainer.id in await catalogue.found("city=city+4")


async def _until_done(ask: Callable[[], Awaitable[Answer]], status: int) -> Any:
    """``unavailable`` asks for a repeat, and gets it as from a client."""
    for _ in range(20):
        answer = await ask()
        if answer.status != 503:
            break
    assert answer.status == status, answer.text
    return answer.body


@dataclass
class Step:
    kind: str
    which: int
    rating: int


STEPS = st.lists(
    st.builds(Step, st.sampled_from(["add", "edit", "delete", "pause", "move"]), st.integers(0, 5), st.integers(1, 5)),
    min_size=1,
    max_size=25,
)


@pytest.mark.parametrize("examples", [12, pytest.param(200, marks=pytest.mark.soak)])
@pytest.mark.parametrize("at_once", [1, 4])
async def test_any_history(catalogue: CatalogueService, at_once: int, examples: int) -> None:
    """Against the reviews themselves, step by step or four at a time."""
    loop, trainer = asyncio.get_running_loop(), await catalogue.trainer()
    client = await catalogue.make("client")

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    @given(STEPS)
    def history(steps: list[Step]) -> None:
        asyncio.run_coroutine_threadsafe(_history(catalogue, trainer, client, steps, at_once), loop).result(60)

    await asyncio.to_thread(history)


async def _history(
    catalogue: CatalogueService, trainer: Member, client: Member, steps: list[Step], at_once: int
) -> None:
    store, there = catalogue.store, dict.fromkeys(range(6), "")

    async def take(step: Step) -> None:
        now = whole_milliseconds(catalogue.surface.clock())
        review_id = there[step.which]
        if step.kind == "add":
            review = Review(
                id=store.reviews.new_id(), booking_id=await catalogue.booking(client, trainer), trainer_id=trainer.id,
                client_id=client.id, rating=step.rating, comment=None, created_at=now, updated_at=now,
            )  # fmt: skip
            assert await store.reviews.add(review, nothing)
            assert not await store.reviews.add(review, nothing)
            there[step.which] = review.id
        elif step.kind == "edit" and review_id:
            await store.reviews.update(review_id, {"rating": step.rating}, now)
        elif step.kind == "delete" and review_id:
            await store.reviews.delete(review_id, nothing, now)
        elif step.kind == "pause":
            await catalogue.done(trainer.patch("/me", {"isActive": step.rating > 2}))
        elif step.kind == "move":
            await catalogue.done(trainer.patch("/me/profile", {"city": f"City {step.rating}"}))

    for start in range(0, len(steps), at_once):
        await asyncio.gather(*map(take, steps[start : start + at_once]))
        if at_once == 1:
            await check_listing(catalogue, trainer)
    await catalogue.done(trainer.patch("/me", {"isActive": True}))
    await check_rating(catalogue, trainer)

