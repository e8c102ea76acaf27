"""Where a person is: kept with the account, said at registration or later."""

from __future__ import annotations

from typing import Any

import pytest
from bson import ObjectId

from tests.rest.surface import PASSWORD, Registered, Surface

EMAIL = "ann@example.com"


async def sign_up(surface: Surface, role: str, **said: str) -> str:
    body = {"email": EMAIL, "password": PASSWORD, "role": role, "name": "Ann", **said}
    token = (await surface.post("/auth/register", body)).body["registrationToken"]
    verified = await surface.verify(EMAIL, Registered(token, surface.mail.code(EMAIL)))
    access: str = verified.body["accessToken"]
    return access


@pytest.mark.parametrize("role", ["client", "trainer"])
async def test_what_was_said_at_registration_is_kept(surface: Surface, role: str) -> None:
    token = await sign_up(surface, role, timeZone="Asia/Tokyo")
    assert (await surface.get("/me", token=token)).body["timeZone"] == "Asia/Tokyo"
    assert (await surface.get("/me/profile", token=token)).body["timeZone"] == "Asia/Tokyo"
    assert (await surface.user(EMAIL))["timeZone"] == "Asia/Tokyo"


@pytest.mark.parametrize("role", ["client", "trainer"])
async def test_nothing_is_made_up(surface: Surface, role: str) -> None:
    token = await sign_up(surface, role)
    assert (await surface.get("/me", token=token)).body["timeZone"] is None
    # A trainer's week is in some zone.
    zone = (await surface.get("/me/profile", token=token)).body["timeZone"]
    assert zone == ("UTC" if role == "trainer" else None)


async def test_it_changes_by_itself_and_with_the_rest(surface: Surface) -> None:
    token = await sign_up(surface, "client")

    async def patch(body: Any) -> Any:
        answer = await surface.call("PATCH", "/v1/me", body, token=token)
        assert answer.status == 200, answer.text
        return answer.body["timeZone"], answer.body["isActive"]

    assert await patch({"timeZone": "Europe/Paris"}) == ("Europe/Paris", True)
    assert await patch({"isActive": False}) == ("Europe/Paris", False)
    assert await patch({}) == ("Europe/Paris", False)
    assert await patch({"timeZone": "Asia/Kathmandu", "isActive": True}) == ("Asia/Kathmandu", True)
    assert (await surface.get("/me/profile", token=token)).body["timeZone"] == "Asia/Kathmandu"


async def test_a_trainer_s_own_zone_is_not_that_of_its_week(surface: Surface) -> None:
    token = await sign_up(surface, "trainer", timeZone="Asia/Tokyo")
    assert (await surface.call("PATCH", "/v1/me", {"timeZone": "Europe/Paris"}, token=token)).status == 200
    assert (await surface.get("/me/profile", token=token)).body["timeZone"] == "Asia/Tokyo"


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "europe/paris", "x" * 65, None, 1, "../UTC", "localtime"])
async def test_what_is_no_zone(surface: Surface, zone: Any) -> None:
    token = await sign_up(surface, "client")
    answer = await surface.call("PATCH", "/v1/me", {"isActive": False, "timeZone": zone}, token=token)
    assert (answer.status, answer.body["errors"][0]["field"]) == (422, "timeZone")
    assert (await surface.get("/me", token=token)).body["isActive"] is True


async def test_it_goes_with_the_account(surface: Surface) -> None:
    token = await sign_up(surface, "client", timeZone="Asia/Tokyo")
    user = await surface.user(EMAIL)
    assert (await surface.post("/me/erase", {"password": PASSWORD}, token=token)).status == 204
    for name, key in (("users", user["_id"]), ("clients", ObjectId(user["profileId"]))):
        found = await surface.database.collection(name).find_one({"_id": key})
        assert found is not None
        assert "timeZone" not in found
