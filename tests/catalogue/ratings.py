"""What the reviews of a trainer come to, wherever it is shown."""

from __future__ import annotations

import asyncio
from fractions import Fraction

from bson import ObjectId

from tests.catalogue.service import CatalogueService, Member


async def stars(catalogue: CatalogueService, trainer: Member) -> list[int]:
    reviews = catalogue.surface.database.collection("reviews")
    return [one["rating"] async for one in reviews.find({"trainer": ObjectId(trainer.id)})]


async def settled(catalogue: CatalogueService, trainer: Member) -> None:
    """On a busy machine the answer to a review does not wait for the rating."""
    pending = catalogue.surface.database.collection("ratingChanges")
    async with asyncio.timeout(20):
        while True:
            if not await pending.count_documents({"trainer": ObjectId(trainer.id)}):
                return
            await asyncio.sleep(0.01)


async def check_rating(catalogue: CatalogueService, trainer: Member) -> None:
    """The page, the listing and the reviews say the same."""
    await settled(catalogue, trainer)
    given = await stars(catalogue, trainer)
    shown = (await catalogue.get(f"/trainers/{trainer.id}")).body["rating"]
    assert shown == {"average": float(Fraction(sum(given), len(given))) if given else None, "count": len(given)}
    listing = await catalogue.surface.database.collection("trainerListings").find_one({"_id": ObjectId(trainer.id)})
    assert listing is not None
    assert (listing["ratingSum"], listing["ratingCount"]) == (sum(given), len(given))


async def check_listing(catalogue: CatalogueService, trainer: Member) -> None:
    await settled(catalogue, trainer)
    given, listed = await stars(catalogue, trainer), await catalogue.store.listings.rating_of(trainer.id)
    assert listed.rating_count == len(given)
    assert listed.rating_average == (sum(given) / len(given) if given else None)
