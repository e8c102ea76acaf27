"""The first administrator."""

from __future__ import annotations

import pytest

from domain.errors import DomainError
from handlers.accounts.administration import create_superadmin
from store.database import Database
from tests.rest.surface import Surface, serve

EMAIL, PASSWORD = "root@example.com", "a password for root"


async def make(surface: Surface, email: str = EMAIL, password: str = PASSWORD) -> bool:
    context = surface.context
    return await create_superadmin(context.store, context.passwords, context.clock, email=email, password=password)


async def test_it_may_sign_in_at_once_and_is_made_once(database: Database) -> None:
    async with serve(database) as surface:
        assert await make(surface)
        assert not await make(surface, "ROOT@example.com")
        signed_in = await surface.login(EMAIL, PASSWORD)
        assert signed_in.body["user"]["role"] == "superAdmin"
        record = await database.collection("superadmins").find_one({})
        assert record and str(record["_id"]) == signed_in.body["user"]["profileId"]
        assert await database.collection("superadmins").count_documents({}) == 1


@pytest.mark.parametrize(("email", "password"), [("root", PASSWORD), (EMAIL, "short")])
async def test_its_address_and_password_follow_the_rules(database: Database, email: str, password: str) -> None:
    async with serve(database) as surface:
        with pytest.raises(DomainError):
            await make(surface, email, password)
