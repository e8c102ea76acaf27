"""From a registration to one's own account, as a client walks it."""

from __future__ import annotations

import pytest
from bson import ObjectId

from tests.rest.surface import PASSWORD, Registered, Surface


@pytest.mark.parametrize("role", ["client", "trainer"])
async def test_register_verify_login_me(surface: Surface, role: str) -> None:
    body = {"email": "Ann@Example.COM", "password": PASSWORD, "role": role, "name": "Ann", "timeZone": "Europe/Paris"}
    accepted = await surface.post("/auth/register", body)
    token = accepted.body["registrationToken"]
    assert (accepted.status, accepted.body) == (202, {"status": "verification_sent", "registrationToken": token})
    assert (await surface.login("ann@example.com")).code == "email_not_verified"

    verified = await surface.verify("ann@example.com", Registered(token, surface.mail.code("ann@example.com")))
    assert verified.status == 200
    assert verified.body["expiresIn"] == 900

    signed_in = await surface.login("ANN@example.com", device="phone")
    assert signed_in.status == 200
    user = signed_in.body["user"]
    assert user == {
        "id": user["id"],
        "email": "ann@example.com",
        "role": role,
        "profileId": user["profileId"],
        "isVerified": True,
    }

    me = await surface.get("/me", token=signed_in.body["accessToken"])
    assert me.status == 200
    assert me.body["id"] == user["id"]
    assert me.body["isActive"] is True


async def test_a_profile_record_is_made_with_the_user(surface: Surface) -> None:
    body = {"email": "tom@example.com", "password": PASSWORD, "role": "trainer", "name": "T", "timeZone": "Asia/Tokyo"}
    token = (await surface.post("/auth/register", body)).body["registrationToken"]
    await surface.verify("tom@example.com", Registered(token, surface.mail.code("tom@example.com")))
    stored = await surface.user("tom@example.com")
    trainer = await surface.database.collection("trainers").find_one({"_id": ObjectId(stored["profileId"])})
    assert trainer is not None
    assert trainer["user"] == stored["_id"]
    assert (trainer["name"], trainer["email"], trainer["timeZone"]) == ("T", "tom@example.com", "Asia/Tokyo")


async def test_a_user_pauses_and_comes_back(surface: Surface) -> None:
    token = (await surface.sign_up())["accessToken"]
    paused = await surface.call("PATCH", "/v1/me", {"isActive": False}, token=token)
    assert (paused.status, paused.body["isActive"]) == (200, False)
    assert (await surface.login("ann@example.com")).status == 200
    assert (await surface.call("PATCH", "/v1/me", {"isActive": True}, token=token)).body["isActive"] is True
