"""How long a page of search takes among many trainers: ``python -m bench.searching [--trainers N]``."""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import msgspec
from bson import ObjectId

from domain.availability import DAYS
from domain.catalogue import Category, Pricing
from domain.listings import Offer, listing_of
from domain.times import whole_milliseconds
from domain.wire.catalogue import SearchTrainers
from handlers.access import Visitor
from handlers.catalogue.search import search_trainers
from handlers.context import Context
from server import embedded
from store.audit import unrecorded
from store.database import Database, Document
from store.idempotency import nothing
from store.listings import listing_fields
from store.store import Store

CITIES = [f"City {number}" for number in range(50)]
FIRST = ("Anna", "Ben", "Carla", "Dario", "Eva", "Finn", "Greta", "Hugo", "Ida", "Jon")
ROUNDS = 200
BATCH = 1000


async def fill(store: Store, count: int, categories: Sequence[ObjectId]) -> None:
    chance = random.Random(1)
    db = store.database
    for start in range(0, count, BATCH):
        made = [_trainer(chance, number, categories) for number in range(start, min(count, start + BATCH))]
        for name, documents in zip(
            ("trainers", "pricings", "specializations", "trainerListings", "trainerAvailabilities", "availabilities"),
            zip(*made, strict=True),
            strict=True,
        ):
            await db.collection(name).insert_many(documents)


def _trainer(chance: random.Random, number: int, categories: Sequence[ObjectId]) -> list[Document]:
    key, created = ObjectId(), datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=number)
    name, city, category = f"{chance.choice(FIRST)} Surname{number}", chance.choice(CITIES), chance.choice(categories)
    price, count, day = chance.randrange(2000, 12000, 50), chance.randrange(40), chance.choice(DAYS)
    total = sum(chance.randint(2, 5) for _ in range(count))
    pricing = Pricing(
        trainer_id=str(key),
        free_trial=chance.random() < 0.3,
        individual_session_price=price,
        is_individual_session_available=True,
    )
    listing = listing_of(
        Offer(
            trainer_id=str(key), created_at=created, texts=(name, city), cities=(city,), countries=("Land",),
            categories=(str(category),), days=(day,), pricing=pricing, rating_sum=total, rating_count=count,
        ),
        visible=True,
    )  # fmt: skip
    times = {"createdAt": created, "updatedAt": created}
    week = {"timeZone": "UTC", "sessionDurationInMins": 60, "breakBetweenSessionMins": 0}
    return [
        {"_id": key, "user": ObjectId(), "name": name, "email": "x", "city": city, **times},
        {
            "trainer": key,
            "freeTrial": pricing.free_trial,
            "individualSessionPrice": price,
            "isIndividualSesionAvailable": True,
            **times,
        },
        {"trainer": key, "sessionCategory": category, "subCategories": [], **times},
        {"_id": key, **listing_fields(listing), "ratingSum": total, "ratingCount": count},
        {"trainer": key, **week, **times},
        {"trainer": key, "day": day, "startTime": "09:00", "endTime": "17:00", "isAvailable": True, **times},
    ]


def questions(category: str) -> Iterator[tuple[str, dict[str, str]]]:
    yield "nothing", {}
    yield "city", {"city": CITIES[7]}
    yield "category, price at most 40.00, by price", {"category": category, "maxPrice": "4000", "sort": "price"}
    yield "category, rating 4 and more, newest", {"category": category, "minRating": "4", "sort": "newest"}
    yield "a word, half typed", {"q": "gre"}
    yield "a word of a category, and a city", {"q": "sport city"}
    yield "one name among all", {"q": "surname777"}
    yield "city, category, trial, rating, price", {
        "city": CITIES[3], "category": category, "freeTrial": "true", "minRating": "4.2", "maxPrice": "6000",
    }  # fmt: skip
    yield "free on a day, in a city", {"availableOn": str(date.today() + timedelta(days=9)), "city": CITIES[5]}
    yield "free yesterday: as many are looked at as may be", {"availableOn": str(date.today() - timedelta(days=1))}


async def measure(context: Context, query: dict[str, str]) -> tuple[float, float, int]:
    """Median and 99th percentile of a page in ms, and how many trainers it held."""
    times, held = [], 0
    for _ in range(ROUNDS):
        command = msgspec.convert(query, SearchTrainers, strict=False)
        begun = time.perf_counter()
        held = len((await search_trainers(context, Visitor(), command)).items)
        times.append((time.perf_counter() - begun) * 1000)
    return statistics.median(times), statistics.quantiles(times, n=100)[98], held


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trainers", type=int, default=20_000)
    count = parser.parse_args().trainers
    with tempfile.TemporaryDirectory() as folder:
        async with embedded.servers(Path(folder), redis=False) as urls:
            assert urls.mongo_url is not None
            database = Database(urls.mongo_url)
            store = Store(database)
            await store.prepare()
            now = whole_milliseconds(datetime.now(UTC))
            added = [
                Category(id=store.categories.new_id(), name=f"Sport {number}", created_at=now, updated_at=now)
                for number in range(20)
            ]
            for one in added:
                await store.catalogue.add_category(one, nothing, unrecorded)
            await fill(store, count, [ObjectId(one.id) for one in added])
            context = cast(Context, SimpleNamespace(store=store, clock=lambda: datetime.now(UTC)))
            size = await database.db.command("collStats", "trainerListings")
            sizes = [f"{size[name] >> 20} MB" for name in ("size", "totalIndexSize")]
            print(f"{count} trainers; listings {sizes[0]}, their indexes {sizes[1]}")
            for name, query in questions(added[4].id):
                median, high, held = await measure(context, query)
                print(f"{median:7.2f} ms   p99 {high:7.2f} ms   {held:3d} found   {name}")
            database.close()


if __name__ == "__main__":
    asyncio.run(main())
