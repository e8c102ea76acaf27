"""Search: every filter, every order, and pages that miss nobody."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any
from urllib.parse import quote

import pytest

from tests.catalogue.service import CatalogueService, Member

Facts = dict[str, Any]


async def test_a_trainer_is_found_with_a_card(town: CatalogueService) -> None:
    trainer = await town.priced(4500, name="Zoë Ålund", city="Malmö", studioName="Løft", yearsOfExperience=4)
    category, (sub,) = await town.category("Vinyasa", name="Yoga")
    await town.offers(trainer, category, sub)
    await town.review(trainer, 4)
    (card,) = (await town.get(f"/trainers?country={town.mark}")).body["items"]
    assert card["id"] == trainer.id
    assert card["user"] == {"id": trainer.person.id}
    assert (card["name"], card["city"], card["studioName"]) == ("Zoë Ålund", "Malmö", "Løft")
    assert card["yearsOfExperience"] == 4
    assert card["rating"] == {"average": 4.0, "count": 1}
    assert card["pricing"]["individualSessionPrice"] == 4500
    (offered,) = card["specializations"]
    assert (offered["sessionCategory"], offered["subCategories"]) == (category, [sub])
    assert offered["subCategoryNames"] == ["Vinyasa"]
    assert not {"email", "phone", "address", "stripeConnectAccountId"} & card.keys()


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("zoe", True),
        ("ZOË", True),
        ("alund zo", True),
        ("loft", True),
        ("malmo", True),
        ("MALMÖ  løft", True),
        ("pilat", True),
        ("reformer", True),
        ("zoe pilates malmo", True),
        ("oe", False),
        ("zoe bern", False),
        (".*", False),
        ("^z", True),
        ("$where", False),
        ("   ", True),
        ("", True),
    ],
)
async def test_words_are_found_however_they_are_written(town: CatalogueService, query: str, found: bool) -> None:
    trainer = await town.trainer(name="Zoë Ålund", city="Malmö", studioName="Løft")
    category, (sub,) = await town.category("Reformer", name="Pilates")
    await town.offers(trainer, category, sub)
    assert await town.found(f"q={quote(query)}") == [trainer.id] * found


async def test_a_renamed_category_is_found_by_its_new_name(town: CatalogueService) -> None:
    trainer = await town.trainer()
    category, (sub,) = await town.category("Oldsub", name="Oldname")
    await town.offers(trainer, category, sub)
    admin = await town.make("admin")
    await town.done(admin.patch(f"/admin/categories/{category}", {"name": f"Newname {town.mark}"}))
    await town.done(admin.patch(f"/admin/subcategories/{sub}", {"name": "Newsub"}))
    assert await town.found("q=newname") == await town.found("q=newsub") == [trainer.id]
    assert await town.found("q=oldname") == await town.found("q=oldsub") == []


async def test_places_are_those_of_the_trainer_and_of_the_studio(town: CatalogueService) -> None:
    trainer = await town.trainer(city="São Paulo", studioCity="Rio", studioCountry="Brasil")
    for query in ("city=sao%20paulo", "city=RIO", "city=S%C3%83O++PAULO"):
        assert await town.found(query) == [trainer.id], query
    assert await town.found("city=sao") == []
    answer = await town.get(f"/trainers?country=brasil&city=rio&q={town.mark}")
    assert answer.body["items"] == []


async def test_every_combination_of_filters(town: CatalogueService) -> None:
    """Against the facts, over all combinations of six yes-or-no filters."""
    category, (sub,) = await town.category("Sub")
    facts: dict[str, Facts] = {}
    for number, (trial, cheap, in_town) in enumerate(product((True, False), repeat=3)):
        trainer = await town.trainer(name=f"Kim {'Odd' if number % 2 else 'Even'}", city="Here" if in_town else "There")
        price = 3000 if cheap else 9000
        await town.sells(
            trainer,
            freeTrial=trial,
            weeklyTrialLimit=1,
            individualSessionPrice=price,
            isIndividualSesionAvailable=True,
        )
        if number % 3:
            await town.offers(trainer, category, *([sub] if number % 3 == 1 else []))
        rating = 2 + number % 4
        await town.review(trainer, rating)
        facts[trainer.id] = {
            "freeTrial=true": trial, "maxPrice=3000": cheap, "city=here": in_town, "q=odd": number % 2 == 1,
            f"category={category}": number % 3 > 0, f"subCategory={sub}": number % 3 == 1, "minRating=4": rating >= 4,
            "rating": rating, "price": price,
        }  # fmt: skip
    filters = [name for name in next(iter(facts.values())) if "=" in name]
    orders: dict[str, Callable[[str], Any]] = {
        "rating": lambda i: (-facts[i]["rating"], [-ord(c) for c in i]),
        "price": lambda i: (facts[i]["price"], [ord(c) for c in i]),
        "newest": lambda i: -list(facts).index(i),
    }
    for number, chosen in enumerate(product((True, False), repeat=len(filters))):
        names = [name for name, wanted in zip(filters, chosen, strict=True) if wanted]
        sort = list(orders)[number % 3]
        expected = sorted((i for i in facts if all(facts[i][name] for name in names)), key=orders[sort])
        assert await town.found("&".join([*names, f"sort={sort}"])) == expected, (names, sort)


async def test_the_price_is_that_of_one_session(town: CatalogueService) -> None:
    single = await town.trainer()
    await town.sells(
        single,
        individualSessionPrice=5000, isIndividualSesionAvailable=True,
        tenSessionPrice=30000, isTenSessionAvailable=True,
    )  # fmt: skip
    packs = await town.trainer()
    await town.sells(
        packs,
        fiveSessionPrice=20001, isFiveSessionAvailable=True, tenSessionPrice=45000, isTenSessionAvailable=True,
        individualSessionPrice=100,
    )  # fmt: skip
    nothing = await town.trainer()
    assert await town.found("sort=price") == [packs.id, single.id, nothing.id]
    assert await town.found("maxPrice=4001") == [packs.id]
    assert await town.found("maxPrice=4000") == []
    assert set(await town.found("maxPrice=5000")) == {single.id, packs.id}
    assert await town.found("maxPrice=99999999&sort=price") == [packs.id, single.id]


async def test_whoever_has_no_review_stands_at_no_stars(town: CatalogueService) -> None:
    new, known = await town.trainer(), await town.trainer()
    await town.review(known, 1)
    for query in ("", "minRating=0", "minRating=0&sort=rating"):
        assert await town.found(query) == [known.id, new.id]
    for stars in ("0.1", "1", "1.0"):
        assert await town.found(f"minRating={stars}") == [known.id]
    assert await town.found("minRating=1.01") == []


@pytest.mark.parametrize("sort", ["rating", "price", "newest"])
async def test_pages_miss_nobody_and_repeat_nobody_while_others_come(town: CatalogueService, sort: str) -> None:
    # Many of the same rank, where a cursor without the id would lose its place.
    there = [await _trainer(town, number) for number in range(9)]
    seen: list[str] = []
    cursor = ""
    while True:
        answer = await town.get(f"/trainers?country={town.mark}&sort={sort}&limit=2{cursor}")
        seen += [item["id"] for item in answer.body["items"]]
        if answer.body["nextCursor"] is None:
            break
        await _trainer(town, len(seen))
        cursor = f"&cursor={answer.body['nextCursor']}"
    assert len(seen) == len(set(seen))
    assert {one.id for one in there} <= set(seen)


async def _trainer(town: CatalogueService, number: int) -> Member:
    trainer = await town.priced(1000 + number % 2)
    if number % 3 == 0:
        await town.review(trainer, 5)
    return trainer


async def test_a_full_last_page_ends_the_list(town: CatalogueService) -> None:
    for _ in range(2):
        await town.trainer()
    answer = await town.get(f"/trainers?country={town.mark}&limit=2")
    assert (len(answer.body["items"]), answer.body["nextCursor"]) == (2, None)


@pytest.mark.parametrize(
    "query",
    ["sort=name", "minRating=6", "minRating=x", "maxPrice=-1", "maxPrice=1.5", "category=x", "freeTrial=maybe",
     "cursor=x", "limit=0", "q=a+b+c+d+e+f+g+h+i+j+k",
     "q[$ne]=1", "city=", "availableOn=tomorrow", "availableOn=2026-02-30", "rating=5"],
)  # fmt: skip
async def test_what_is_no_search_is_refused(town: CatalogueService, query: str) -> None:
    answer = await town.get(f"/trainers?{query}")
    assert (answer.status, answer.code) == (422, "validation_failed")
    assert answer.body["errors"][0]["field"] == query.partition("=")[0]


async def test_a_cursor_belongs_to_its_order(town: CatalogueService) -> None:
    for _ in range(2):
        await town.trainer()
    cursor = (await town.get(f"/trainers?country={town.mark}&limit=1")).body["nextCursor"]
    answer = await town.get(f"/trainers?sort=price&cursor={cursor}")
    assert (answer.status, answer.body["errors"][0]["field"]) == (422, "cursor")
