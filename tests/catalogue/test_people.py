"""The person behind a profile."""

from __future__ import annotations

from typing import Any

import pytest
from bson import ObjectId

from tests.catalogue.service import CatalogueService


@pytest.mark.parametrize("role", ["client", "trainer", "admin", "superAdmin"])
async def test_a_profile_leads_to_its_person(catalogue: CatalogueService, role: Any) -> None:
    somebody = await catalogue.make(role, name="Ann")
    found = await catalogue.store.people.reachable_profile(role, somebody.id)
    assert found is not None
    assert (found.user_id, found.profile_id, found.role, found.name) == (somebody.person.id, somebody.id, role, "Ann")


async def test_a_profile_of_another_role_is_nobody(catalogue: CatalogueService) -> None:
    client, admin = await catalogue.make("client"), await catalogue.make("admin")
    assert await catalogue.store.people.reachable_profile("trainer", client.id) is None
    assert await catalogue.store.people.reachable_profile("superAdmin", admin.id) is None
    assert await catalogue.store.people.reachable_profile("client", client.person.id) is None


@pytest.mark.parametrize(
    "state", [{"isActive": False}, {"isBlocked": True}, {"isDeleted": True}, {"isVerified": False}]
)
async def test_whoever_is_away_is_not_reachable(catalogue: CatalogueService, state: dict[str, bool]) -> None:
    trainer = await catalogue.make("trainer")
    users = catalogue.surface.database.collection("users")
    await users.update_one({"_id": ObjectId(trainer.person.id)}, {"$set": state})
    assert await catalogue.store.people.reachable_profile("trainer", trainer.id) is None


async def test_a_trainer_who_said_nothing_sells_nothing(catalogue: CatalogueService) -> None:
    trainer = await catalogue.make("trainer")
    pricing = await catalogue.store.pricings.of(trainer.id)
    assert pricing.trainer_id == trainer.id
    assert not (pricing.free_trial or pricing.is_individual_session_available)
