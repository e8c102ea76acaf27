"""What one page and one answer say, so that an app need not gather it: prices of one's own, what a client has with a
trainer, which booking a review is of."""

from __future__ import annotations

from typing import Any

import pytest

from domain.credits import CreditEntry, grant
from domain.messages import MessageRecord, to_message
from domain.times import whole_milliseconds
from tests.catalogue.service import CatalogueService, Member


async def mine(client: Member, trainer: Member) -> Any:
    return (await client.get(f"/trainers/{trainer.id}")).body.get("mine")


async def test_a_trainer_reads_its_own_prices(catalogue: CatalogueService) -> None:
    trainer, client = await catalogue.make("trainer"), await catalogue.make("client")
    assert (await trainer.get("/me/pricing")).body["updatedAt"] is None
    said = await catalogue.done(trainer.put("/me/pricing", {"freeTrial": True, "weeklyTrialLimit": 2}))
    # Also while nobody finds it.
    await catalogue.done(trainer.patch("/me", {"isActive": False}))
    assert (await trainer.get("/me/pricing")).body == said
    assert (await client.get("/me/pricing")).code == "forbidden"
    assert (await catalogue.get("/me/pricing")).code == "unauthenticated"


async def test_a_client_sees_what_it_has_with_a_trainer(catalogue: CatalogueService) -> None:
    trainer, client, other = await catalogue.trainer(), await catalogue.make("client"), await catalogue.make("client")
    assert await mine(client, trainer) == {"bookmarked": False, "trialAvailable": False, "amountOfCredit": 0}
    await catalogue.sells(trainer, freeTrial=True, weeklyTrialLimit=1)
    await catalogue.done(client.put(f"/me/bookmarks/{trainer.id}"))
    now = whole_milliseconds(catalogue.surface.clock())
    entry = CreditEntry(
        client_id=client.id, trainer_id=trainer.id, effect=grant(catalogue.mark), kind="grant", amount=3, created_at=now
    )
    await catalogue.store.credits.record(entry)
    record = await catalogue.store.conversations.open(trainer.person.id, client.person.id, now)
    # Nobody has said anything in it, and it may be the other's.
    assert await mine(client, trainer) == {"bookmarked": True, "trialAvailable": True, "amountOfCredit": 3}
    conversation = record.membership.conversation_id
    log = catalogue.store.log
    said = MessageRecord(
        id=log.new_id(), conversation_id=conversation, sender_id=trainer.person.id, text="hello", created_at=now,
        updated_at=now,
    )  # fmt: skip
    await log.append_message(said, lambda record: to_message(record, seen=False))
    assert (await mine(client, trainer))["conversationId"] == conversation
    assert await mine(other, trainer) == {"bookmarked": False, "trialAvailable": True, "amountOfCredit": 0}
    for visitor in (trainer, await catalogue.make("admin")):
        assert await mine(visitor, trainer) is None
    assert "mine" not in (await catalogue.get(f"/trainers/{trainer.id}")).body


async def test_a_review_and_its_booking_name_each_other(catalogue: CatalogueService) -> None:
    trainer, client = await catalogue.trainer(), await catalogue.make("client")
    booking = await catalogue.booking(client, trainer)
    assert "reviewId" not in (await client.get(f"/bookings/{booking}")).body
    review = await catalogue.done(client.post(f"/bookings/{booking}/review", {"rating": 5}))
    assert review["bookingId"] == booking
    path = f"/trainers/{trainer.id}/reviews"
    for who in (client, trainer, await catalogue.make("admin")):
        (listed,) = (await who.get(path)).body["items"]
        assert listed["bookingId"] == booking
    # Whoever else reads what was said need not know of which session.
    for outsider in (catalogue, await catalogue.make("client"), await catalogue.make("trainer")):
        (listed,) = (await outsider.get(path)).body["items"]
        assert "bookingId" not in listed
    for who in (client, trainer):
        assert (await who.get(f"/bookings/{booking}")).body["reviewId"] == review["id"]
        (item,) = (await who.get("/bookings")).body["items"]
        assert item["reviewId"] == review["id"]
    await catalogue.done(client.delete(f"/reviews/{review['id']}"))
    assert "reviewId" not in (await client.get(f"/bookings/{booking}")).body


async def test_a_review_is_a_new_version_of_its_booking(catalogue: CatalogueService) -> None:
    """A device that has received the later one ignores the one before."""
    trainer, client = await catalogue.trainer(), await catalogue.make("client")
    booking = await catalogue.booking(client, trainer)

    async def told() -> dict[int, str | None]:
        (item,) = (await trainer.get("/bookings?changedAfter=")).body["items"]
        assert item == (await client.get(f"/bookings/{booking}")).body
        return {item["version"]: item.get("reviewId")}

    assert await told() == {1: None}
    review = await catalogue.done(client.post(f"/bookings/{booking}/review", {"rating": 5}))
    assert await told() == {2: review["id"]}
    # What it says is no part of the booking.
    await catalogue.done(client.patch(f"/reviews/{review['id']}", {"rating": 4}))
    assert await told() == {2: review["id"]}
    await catalogue.done(client.delete(f"/reviews/{review['id']}"))
    assert await told() == {3: None}


async def test_a_trainer_introduces_itself(catalogue: CatalogueService) -> None:
    trainer, client = await catalogue.trainer(), await catalogue.make("client")
    assert (await catalogue.get(f"/trainers/{trainer.id}")).body["bio"] is None
    said = "Twenty years of rowing.\n\nI speak German and English."
    assert (await catalogue.done(trainer.patch("/me/profile", {"bio": said})))["bio"] == said
    assert (await catalogue.get(f"/trainers/{trainer.id}")).body["bio"] == said
    assert (await client.patch("/me/profile", {"bio": said})).code == "validation_failed"
    assert (await catalogue.done(trainer.patch("/me/profile", {"bio": None})))["bio"] is None


@pytest.mark.parametrize("bio", ["", " \n", "x" * 2001, "a\u0000b", 5])
async def test_what_is_no_introduction(catalogue: CatalogueService, bio: Any) -> None:
    answer = await (await catalogue.trainer()).patch("/me/profile", {"bio": bio})
    assert (answer.code, answer.body["errors"][0]["field"]) == ("validation_failed", "bio")
