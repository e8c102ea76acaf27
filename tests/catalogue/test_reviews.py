"""What clients say of their sessions."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.catalogue.service import CatalogueService, Member

ID = "0123456789abcdef01234567"


async def rating(catalogue: CatalogueService, trainer: Member) -> Any:
    return (await catalogue.get(f"/trainers/{trainer.id}")).body["rating"]


async def test_a_completed_session_is_reviewed_once(catalogue: CatalogueService) -> None:
    client, trainer = await catalogue.make("client", name="Ann"), await catalogue.trainer()
    booking = await catalogue.booking(client, trainer)
    answers = await asyncio.gather(
        *(client.post(f"/bookings/{booking}/review", {"rating": n, "comment": "Good"}) for n in (1, 2, 3, 4, 5))
    )
    (review,) = [answer.body for answer in answers if answer.status == 201]
    assert {answer.code for answer in answers if answer.status != 201} == {"conflict"}
    assert (review["trainer"], review["client"], review["comment"]) == (trainer.id, client.id, "Good")
    assert review["author"] == {"name": "Ann", "profile_image": None}
    page = await catalogue.get(f"/trainers/{trainer.id}/reviews")
    shown = {name: value for name, value in review.items() if name != "bookingId"}
    assert page.body == {"items": [shown], "nextCursor": None}
    assert client.person.email not in page.text
    assert await rating(catalogue, trainer) == {"average": float(review["rating"]), "count": 1}


@pytest.mark.parametrize("status", ["held", "confirmed", "cancelled", "no_show", "expired"])
async def test_what_did_not_take_place_is_not_reviewed(catalogue: CatalogueService, status: Any) -> None:
    client, trainer = await catalogue.make("client"), await catalogue.trainer()
    booking = await catalogue.booking(client, trainer, status)
    answer = await client.post(f"/bookings/{booking}/review", {"rating": 5})
    assert (answer.status, answer.code) == (409, "conflict")
    assert await rating(catalogue, trainer) == {"average": None, "count": 0}


async def test_only_the_client_of_the_session_reviews_it(catalogue: CatalogueService) -> None:
    client, other, trainer, admin = [await catalogue.make(role) for role in ("client", "client", "trainer", "admin")]
    booking = await catalogue.booking(client, trainer)
    for somebody, code in ((other, "not_found"), (trainer, "forbidden"), (admin, "forbidden")):
        assert (await somebody.post(f"/bookings/{booking}/review", {"rating": 5})).code == code
    assert (await client.post(f"/bookings/{ID}/review", {"rating": 5})).code == "not_found"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "rating"), ({"rating": 0}, "rating"), ({"rating": 6}, "rating"), ({"rating": 4.5}, "rating"),
        ({"rating": "5"}, "rating"), ({"rating": True}, "rating"), ({"rating": None}, "rating"),
        ({"rating": 5, "comment": "x" * 2001}, "comment"), ({"rating": 5, "comment": ""}, "comment"),
        ({"rating": 5, "trainer": ID}, "trainer"), ({"rating": 5, "bookingId": ID}, "bookingId"),
    ],
)  # fmt: skip
async def test_what_is_no_review_is_refused(catalogue: CatalogueService, body: dict[str, Any], field: str) -> None:
    client, trainer = await catalogue.make("client"), await catalogue.make("trainer")
    booking = await catalogue.booking(client, trainer)
    answer = await client.post(f"/bookings/{booking}/review", body)
    assert (answer.status, answer.body["errors"][0]["field"]) == (422, field)


async def test_its_author_changes_and_removes_it(catalogue: CatalogueService) -> None:
    client, other, trainer = await catalogue.make("client"), await catalogue.make("client"), await catalogue.trainer()
    await catalogue.review(trainer, 5, other)
    review = await catalogue.review(trainer, 2, client, comment="Meh")
    path = f"/reviews/{review['id']}"
    assert await rating(catalogue, trainer) == {"average": 3.5, "count": 2}
    changed = await catalogue.done(client.patch(path, {"rating": 4}))
    assert (changed["rating"], changed["comment"]) == (4, "Meh")
    assert await rating(catalogue, trainer) == {"average": 4.5, "count": 2}
    assert (await catalogue.done(client.patch(path, {"comment": None})))["comment"] is None
    for somebody in (other, trainer):
        assert (await somebody.patch(path, {"rating": 1})).code == "forbidden"
        assert (await somebody.delete(path)).code == "forbidden"
    admin = await catalogue.make("admin")
    assert (await admin.patch(path, {"rating": 1})).code == "forbidden"
    assert (await client.patch(path, {"rating": None})).code == "validation_failed"
    assert (await client.delete(path)).status == 204
    assert await rating(catalogue, trainer) == {"average": 5.0, "count": 1}
    for method in ("PATCH", "DELETE"):
        assert (await client.call(method, path, {"rating": 1} if method == "PATCH" else None)).code == "not_found"


async def test_an_administrator_removes_it(catalogue: CatalogueService) -> None:
    trainer, admin = await catalogue.trainer(), await catalogue.make("admin")
    review = await catalogue.review(trainer, 1)
    assert (await admin.delete(f"/reviews/{review['id']}")).status == 204
    assert (await catalogue.get(f"/trainers/{trainer.id}/reviews")).body["items"] == []
    assert await rating(catalogue, trainer) == {"average": None, "count": 0}


async def test_they_are_listed_newest_first_in_pages(catalogue: CatalogueService) -> None:
    trainer, other = await catalogue.trainer(), await catalogue.trainer()
    await catalogue.review(other, 1)
    made = [(await catalogue.review(trainer, 1 + number % 5))["id"] for number in range(5)]
    seen: list[str] = []
    cursor = ""
    while True:
        page = (await catalogue.get(f"/trainers/{trainer.id}/reviews?limit=2{cursor}")).body
        seen += [item["id"] for item in page["items"]]
        if page["nextCursor"] is None:
            break
        await catalogue.review(trainer, 5)
        cursor = f"&cursor={page['nextCursor']}"
    assert seen == made[::-1]
    answer = await catalogue.get(f"/trainers/{trainer.id}/reviews?cursor=x")
    assert (answer.status, answer.body["errors"][0]["field"]) == (422, "cursor")


async def test_a_hidden_trainer_is_reviewed_all_the_same(catalogue: CatalogueService) -> None:
    client, trainer = await catalogue.make("client"), await catalogue.trainer()
    booking = await catalogue.booking(client, trainer)
    await catalogue.done(trainer.patch("/me", {"isActive": False}))
    await catalogue.done(client.post(f"/bookings/{booking}/review", {"rating": 3}))
    assert (await trainer.get("/me/profile")).body["rating"] == {"average": 3.0, "count": 1}
    await catalogue.done(trainer.patch("/me", {"isActive": True}))
    assert await rating(catalogue, trainer) == {"average": 3.0, "count": 1}
