"""Search: every filter, every order, and pages that miss nobody."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any
from urllib.parse import quote

import pytest

from tests.catalogue.service import CatalogueService, Member

Facts = dict[str, Any]


async def test_a_trainer_is_found_with_a_card(catalogue: CatalogueService) -> None:
    trainer = await catalogue.priced(4500, name="Zoë Ålund", city="Malmö", studioName="Løft", yearsOfExperience=4)
    category, (sub,) = await catalogue.category("Vinyasa", name="Yoga")
    await catalogue.offers(trainer, category, sub)
    await catalogue.review(trainer, 4)
    (card,) = (await catalogue.get(f"/trainers?country={catalogue.mark}")).body["items"]
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
async def test_words_are_found_however_they_are_written(catalogue: CatalogueService, query: str, found: bool) -> None:
    trainer = await catalogue.trainer(name="Zoë Ålund", city="Malmö", studioName="Løft")
    category, (sub,) = await catalogue.category("Reformer", name="Pilates")
    await catalogue.offers(trainer, category, sub)
    assert await catalogue.found(f"q={quote(query)}") == [trainer.id] * found


@pytest.mark.parametrize("query", ["\x00", "zo\x07e", "\x9f"])
async def test_controls_are_refused_as_in_every_text(catalogue: CatalogueService, query: str) -> None:
    answer = await catalogue.get(f"/trainers?q={quote(query)}")
    assert (answer.status, [error["field"] for error in answer.body["errors"]]) == (422, ["q"])


async def test_a_renamed_category_is_found_by_its_new_name(catalogue: CatalogueService) -> None:
    trainer = await catalogue.trainer()
    category, (sub,) = await catalogue.category("Oldsub", name="Oldname")
    await catalogue.offers(trainer, category, sub)
    admin = await catalogue.make("admin")
    await catalogue.done(admin.patch(f"/admin/categories/{category}", {"name": f"Newname {catalogue.mark}"}))
    await catalogue.done(admin.patch(f"/admin/subcategories/{sub}", {"name": "Newsub"}))
    assert await catalogue.found("q=newname") == await catalogue.found("q=newsub") == [trainer.id]
    assert await catalogue.found("q=oldname") == await catalogue.found("q=oldsub") == []


async def test_places_are_those_of_the_trainer_and_of_the_studio(catalogue: CatalogueService) -> None:
    trainer = await catalogue.trainer(city="São Paulo", studioCity="Rio", studioCountry="Brasil")
    for query in ("city=sao%20paulo", "city=RIO", "city=S%C3%83O++PAULO"):
        assert await catalogue.found(query) == [trainer.id], query
    assert await catalogue.found("city=sao") == []
    answer = await catalogue.get(f"/trainers?country=brasil&city=rio&q={catalogue.mark}")
    assert answer.body["items"] == []


async def test_every_combination_of_filters(catalogue: CatalogueService) -> None:
    """Against the facts, over all combinations of six yes-or-no filters."""
    category, (sub,) = await catalogue.category("Sub")
    facts: dict[str, Facts] = {}
    for number, (trial, cheap, in_town) in enumerate(product((True, False), repeat=3)):
        trainer = await catalogue.trainer(
            name=f"Kim {'Odd' if number % 2 else 'Even'}", city="Here" if in_town else "There"
        )
        price = 3000 if cheap else 9000
        await catalogue.sells(
            trainer,
            freeTrial=trial,
            weeklyTrialLimit=1,
            individualSessionPrice=price,
            isIndividualSesionAvailable=True,
        )
        if number % 3:
            await catalogue.offers(trainer, category, *([sub] if number % 3 == 1 else []))
        rating = 2 + number % 4
        await catalogue.review(trainer, rating)
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
        assert await catalogue.found("&".join([*names, f"sort={sort}"])) == expected, (names, sort)


async def test_the_price_is_that_of_one_session(catalogue: CatalogueService) -> None:
    single = await catalogue.trainer()
    await catalogue.sells(
        single,
        individualSessionPrice=5000, isIndividualSesionAvailable=True,
        tenSessionPrice=30000, isTenSessionAvailable=True,
    )  # fmt: skip
    packs = await catalogue.trainer()
    await catalogue.sells(
        packs,
        fiveSessionPrice=20001, isFiveSessionAvailable=True, tenSessionPrice=45000, isTenSessionAvailable=True,
        individualSessionPrice=100,
    )  # fmt: skip
    nothing = await catalogue.trainer()
    assert await catalogue.found("sort=price") == [packs.id, single.id, nothing.id]
    assert await catalogue.found("maxPrice=4001") == [packs.id]
    assert await catalogue.found("maxPrice=4000") == []
    assert set(await catalogue.found("maxPrice=5000")) == {single.id, packs.id}
    assert await catalogue.found("maxPrice=99999999&sort=price") == [packs.id, single.id]


async def test_whoever_has_no_review_stands_at_no_stars(catalogue: CatalogueService) -> None:
    new, known = await catalogue.trainer(), await catalogue.trainer()
    await catalogue.review(known, 1)
    for query in ("", "minRating=0", "minRating=0&sort=rating"):
        assert await catalogue.found(query) == [known.id, new.id]
    for stars in ("0.1", "1", "1.0"):
        assert await catalogue.found(f"minRating={stars}") == [known.id]
    assert await catalogue.found("minRating=1.01") == []


@pytest.mark.parametrize("sort", ["rating", "price", "newest"])
async def test_pages_miss_nobody_and_repeat_nobody_while_others_come(catalogue: CatalogueService, sort: str) -> None:
    # Many of the same rank, where a cursor without the id would lose its place.
    there = [await _trainer(catalogue, number) for number in range(9)]
    seen: list[str] = []
    cursor = ""
    while True:
        answer = await catalogue.get(f"/trainers?country={catalogue.mark}&sort={sort}&limit=2{cursor}")
        seen += [item["id"] for item in answer.body["items"]]
        if answer.body["nextCursor"] is None:
            break
        await _trainer(catalogue, len(seen))
        cursor = f"&cursor={answer.body['nextCursor']}"
    assert len(seen) == len(set(seen))
    assert {one.id for one in there} <= set(seen)


async def _trainer(catalogue: CatalogueService, number: int) -> Member:
    trainer = await catalogue.priced(1000 + number % 2)
    if number % 3 == 0:
        await catalogue.review(trainer, 5)
    return trainer


async def test_a_full_last_page_ends_the_list(catalogue: CatalogueService) -> None:
    for _ in range(2):
        await catalogue.trainer()
    answer = await catalogue.get(f"/trainers?country={catalogue.mark}&limit=2")
    assert (len(answer.body["items"]), answer.body["nextCursor"]) == (2, None)


@pytest.mark.parametrize(
    "query",
    ["sort=name", "minRating=6", "minRating=x", "maxPrice=-1", "maxPrice=1.5", "category=x", "freeTrial=maybe",
     "cursor=x", "limit=0", "q=a+b+c+d+e+f+g+h+i+j+k",
     "q[$ne]=1", "city=", "availableOn=tomorrow", "availableOn=2026-02-30", "rating=5"],
)  # fmt: skip
async def test_what_is_no_search_is_refused(catalogue: CatalogueService, query: str) -> None:
    answer = await catalogue.get(f"/trainers?{query}")
    assert (answer.status, answer.code) == (422, "validation_failed")
    assert answer.body["errors"][0]["field"] == query.partition("=")[0]


async def test_a_cursor_belongs_to_its_order(catalogue: CatalogueService) -> None:
    for _ in range(2):
        await catalogue.trainer()
    cursor = (await catalogue.get(f"/trainers?country={catalogue.mark}&limit=1")).body["nextCursor"]
    answer = await catalogue.get(f"/trainers?sort=price&cursor={cursor}")
    assert (answer.status, answer.body["errors"][0]["field"]) == (422, "cursor")
