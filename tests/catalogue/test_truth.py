"""Whatever is said, and however much of it at once: deriving a listing anew changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest
from bson import ObjectId
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.availability import DAYS
from store.database import ClientSession
from tests.catalogue.service import CatalogueService, Member

Deed = tuple[str, int]
DEEDS = st.lists(
    st.tuples(
        st.sampled_from(["city", "name", "price", "trial", "offer", "week", "pause", "block", "review", "rename"]),
        st.integers(0, 4),
    ),
    min_size=2,
    max_size=16,
)


class RandomChanges:
    def __init__(
        self, catalogue: CatalogueService, trainer: Member, admin: Member, categories: list[tuple[str, list[str]]]
    ) -> None:
        self.catalogue, self.trainer, self.admin, self.categories = catalogue, trainer, admin, categories

    async def do(self, deed: Deed) -> None:
        what, number = deed
        answer = await self._asked(what, number)()
        # A blocked trainer is refused, and may be pausing, moving and pricing while being blocked.
        assert answer is None or answer.status in (200, 201, 204, 401, 403, 503), answer.text
        if what == "block":
            # A block ends every session, and so does its end.
            self.trainer = await self.catalogue.again(self.trainer)

    def _asked(self, what: str, number: int) -> Callable[[], Awaitable[Any]]:
        trainer = self.trainer
        category, subs = self.categories[number % len(self.categories)]
        price = {"individualSessionPrice": 1000 * (number + 1), "isIndividualSesionAvailable": number > 0}
        offered = [{"sessionCategory": category, "subCategories": subs[: number % 2]}] if number else []
        week = {
            "timeZone": "UTC", "sessionDurationInMins": 60, "breakBetweenSessionMins": 0,
            "days": [{"day": DAYS[number], "startTime": "20:00", "endTime": "02:00", "isAvailable": number != 3}],
        }  # fmt: skip
        block = "unblock" if number % 2 else "block"
        asked: dict[str, Callable[[], Awaitable[Any]]] = {
            "city": partial(trainer.patch, "/me/profile", {"city": f"City {number}" if number else None}),
            "name": partial(trainer.patch, "/me/profile", {"name": f"Tara {number}"}),
            "price": partial(trainer.put, "/me/pricing", price),
            "trial": partial(trainer.put, "/me/pricing", {"freeTrial": number > 1, "weeklyTrialLimit": 1}),
            "offer": partial(trainer.put, "/me/specializations", {"specializations": offered}),
            "week": partial(trainer.put, "/me/availability", week),
            "pause": partial(trainer.patch, "/me", {"isActive": number > 1}),
            "block": partial(self.admin.post, f"/admin/users/{trainer.person.id}/{block}", {"reason": "because"}),
            "review": partial(self._review, number),
            "rename": partial(self.admin.patch, f"/admin/categories/{category}", {"name": f"C{number} {category}"}),
        }
        return asked[what]

    async def _review(self, number: int) -> None:
        await self.catalogue.review(self.trainer, 1 + number)


async def listing(catalogue: CatalogueService, trainer: Member) -> Any:
    found = await catalogue.surface.database.collection("trainerListings").find_one({"_id": ObjectId(trainer.id)})
    assert found is not None
    del found["revision"]
    return found


async def check(catalogue: CatalogueService, trainer: Member) -> None:
    kept = await listing(catalogue, trainer)

    async def refresh(session: ClientSession) -> None:
        await catalogue.store.listings.refresh(trainer.id, session=session)

    await catalogue.surface.database.transaction(refresh)
    assert await listing(catalogue, trainer) == kept


@pytest.mark.parametrize("examples", [10, pytest.param(150, marks=pytest.mark.soak)])
@pytest.mark.parametrize("at_once", [1, 4])
async def test_a_listing_is_what_follows_from_what_was_said(
    catalogue: CatalogueService, at_once: int, examples: int
) -> None:
    loop = asyncio.get_running_loop()
    admin = await catalogue.make("superAdmin")
    categories = [await catalogue.category("One", "Two") for _ in range(2)]

    async def live(deeds: list[Deed]) -> None:
        life = RandomChanges(catalogue, await catalogue.trainer(), admin, categories)
        for start in range(0, len(deeds), at_once):
            await asyncio.gather(*map(life.do, deeds[start : start + at_once]))
            await check(catalogue, life.trainer)

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    @given(DEEDS)
    def lives(deeds: list[Deed]) -> None:
        asyncio.run_coroutine_threadsafe(live(deeds), loop).result(120)

    await asyncio.to_thread(lives)
