"""Every search and list is read off an index, in its order: nothing is scanned and nothing sorted."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from itertools import combinations
from typing import Any

import pytest
from pymongo import monitoring

from domain import listings
from domain.listings import Sort, TrainerQuery
from store.database import Database
from store.store import Store
from tests.catalogue.service import CatalogueService
from tests.harness.databases import ListenedDatabase, named

ID = "0123456789abcdef01234567"
FILTERS: dict[str, Any] = {
    "category": (listings.of_category(ID),),
    "sub": (listings.of_sub_category(ID),),
    "city": (listings.in_city("Bern"),),
    "trial": (listings.with_trial(True),),
    "day": (listings.working_on("Monday"),),
    "word": listings.word_terms("yo", [ID, ID[::-1]], [ID]),
    "min_rating": 4.0,
    "max_price": 5000,
}


class Commands(monitoring.CommandListener):
    """What was asked of the database."""

    def __init__(self) -> None:
        self.made: list[Any] = []

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        if event.command_name in ("find", "aggregate"):
            self.made.append(event.command)

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        pass

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        pass


def stages(plan: Any) -> Iterator[str]:
    if isinstance(plan, dict):
        if isinstance(plan.get("stage"), str):
            yield plan["stage"]
        for name, value in plan.items():
            if name != "rejectedPlans":
                yield from stages(value)
    elif isinstance(plan, list):
        for one in plan:
            yield from stages(one)


def wanted(sort: Sort, *names: str, after: str | None) -> TrainerQuery:
    terms = tuple(FILTERS[name] for name in names if isinstance(FILTERS[name], tuple))
    rest = {name: FILTERS[name] for name in names if not isinstance(FILTERS[name], tuple)}
    return TrainerQuery(terms=terms, sort=sort, after=after, **rest)


@pytest.fixture
async def listened(mongo_url: str, shared_database: Database) -> AsyncIterator[tuple[Store, Commands]]:
    """The store over a connection that tells what it is asked."""
    commands = Commands()
    database = ListenedDatabase(named(mongo_url, shared_database.db.name), commands)
    yield Store(database), commands
    database.close()


@pytest.mark.parametrize("sort", ["rating", "price", "newest"])
async def test_a_search_scans_and_sorts_nothing(
    catalogue: CatalogueService, listened: tuple[Store, Commands], shared_database: Database, sort: Sort
) -> None:
    """Any three of the filters, or none, from the start and from a cursor."""
    # An index over arrays is another thing for the planner than one that has not met an array yet.
    await catalogue.trainer()
    store, commands = listened
    after = {"rating": "4.000000000 00000001 x", "price": "0000005000 x", "newest": "000001700000000 x"}[sort]
    for size in range(4):
        for names in combinations(FILTERS, size):
            for place in (None, after):
                await store.listings.page(wanted(sort, *names, after=place), 21)
    assert len(commands.made) == 2 * (1 + 8 + 28 + 56)
    for command in commands.made:
        await check(shared_database, command)


async def test_no_list_of_the_catalogue_scans(
    catalogue: CatalogueService, listened: tuple[Store, Commands], shared_database: Database
) -> None:
    # Of a collection that is empty the planner takes whatever it meets first.
    for _ in range(3):
        await catalogue.trainer()
    store, commands = listened
    await store.categories.page("a", 10)
    await store.categories.subs_of([ID])
    await store.specializations.of([ID])
    await store.certificates.of(ID, ID, 10)
    await store.pricings.of_many([ID])
    await store.profiles.by_ids("trainer", [ID])
    await store.bookmarks.page(ID, ID, 10)
    await store.reviews.page(ID, (datetime.now(UTC), ID), 10)
    await store.listings.of([ID])
    assert len(commands.made) == 9
    for command in commands.made:
        await check(shared_database, command)


async def check(database: Database, command: Any) -> None:
    kept = {k: v for k, v in command.items() if k not in ("$db", "lsid", "txnNumber", "readConcern", "$clusterTime")}
    plan = set(stages(await database.db.command({"explain": kept, "verbosity": "queryPlanner"})))
    assert plan & {"IXSCAN", "IDHACK"}, (command, plan)
    assert not plan & {"COLLSCAN", "SORT"}, (command, plan)
