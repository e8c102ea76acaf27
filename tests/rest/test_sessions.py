"""Sessions: who may come in with which token, and how a device is signed out."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import Any

import jwt
import pytest
from argon2 import PasswordHasher

from domain.accounts import User
from tests.rest.surface import PASSWORD, SECRET, Surface

EMAIL = "ann@example.com"


async def me(surface: Surface, token: str) -> str:
    answer = await surface.get("/me", token=token)
    return "ok" if answer.status == 200 else answer.code


async def test_devices_are_listed_newest_first_in_pages(surface: Surface) -> None:
    await surface.sign_up()
    for device in ("phone", "tablet"):
        token = (await surface.login(EMAIL, device=device)).body["accessToken"]
    first = await surface.get("/auth/sessions?limit=2", token=token)
    assert [(one["device"], one["current"]) for one in first.body["items"]] == [("tablet", True), ("phone", False)]
    rest = await surface.get(f"/auth/sessions?limit=2&cursor={first.body['nextCursor']}", token=token)
    assert [one["device"] for one in rest.body["items"]] == [None]
    assert rest.body["nextCursor"] is None


async def test_logout_ends_this_session_only(surface: Surface) -> None:
    tokens = await surface.sign_up()
    other = (await surface.login(EMAIL)).body["accessToken"]
    answer = await surface.post("/auth/logout", token=tokens["accessToken"])
    assert (answer.status, answer.text) == (204, "")
    assert await me(surface, tokens["accessToken"]) == "unauthenticated"
    assert await me(surface, other) == "ok"
    assert (await surface.post("/auth/refresh", {"refreshToken": tokens["refreshToken"]})).status == 401
    session = tokens["refreshToken"].partition(".")[0]
    assert surface.cuts.made == [(tokens["user"]["id"], "logout", session)]


async def test_logout_all_ends_every_session(surface: Surface) -> None:
    first = (await surface.sign_up())["accessToken"]
    second = (await surface.login(EMAIL)).body["accessToken"]
    assert (await surface.post("/auth/logout-all", token=first)).status == 204
    assert [await me(surface, token) for token in (first, second)] == ["unauthenticated"] * 2
    assert len(surface.cuts.made) == 2
    assert (await surface.login(EMAIL)).status == 200


async def test_another_device_is_signed_out_by_its_owner_only(surface: Surface) -> None:
    phone = await surface.sign_up()
    laptop = (await surface.login(EMAIL)).body["accessToken"]
    stranger = (await surface.sign_up("bob@example.com"))["accessToken"]
    session = phone["refreshToken"].partition(".")[0]
    path = f"/v1/auth/sessions/{session}"
    assert (await surface.call("DELETE", path, token=stranger)).code == "not_found"
    assert (await surface.call("DELETE", path, token=laptop)).status == 204
    assert (await surface.call("DELETE", path, token=laptop)).code == "not_found"
    assert await me(surface, phone["accessToken"]) == "unauthenticated"
    assert surface.cuts.made == [(phone["user"]["id"], "session_ended", session)]


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("isBlocked", True, "account_blocked"),
        ("isDeleted", True, "unauthenticated"),
        ("isVerified", False, "email_not_verified"),
    ],
)
async def test_a_good_token_of_a_barred_user_is_refused(surface: Surface, field: str, value: bool, code: str) -> None:
    token = (await surface.sign_up())["accessToken"]
    await surface.set_user(EMAIL, **{field: value})
    assert await me(surface, token) == code


async def test_blocked_and_erased_users_cannot_sign_in(surface: Surface) -> None:
    await surface.sign_up()
    await surface.set_user(EMAIL, isBlocked=True)
    assert (await surface.login(EMAIL)).code == "account_blocked"
    assert (await surface.login(EMAIL, "not the password")).code == "invalid_credentials"
    await surface.set_user(EMAIL, isDeleted=True)
    assert (await surface.login(EMAIL)).code == "invalid_credentials"


async def test_an_access_token_runs_out_after_fifteen_minutes(surface: Surface) -> None:
    token = (await surface.sign_up())["accessToken"]
    surface.clock.advance(seconds=890)
    assert await me(surface, token) == "ok"
    surface.clock.advance(seconds=11)
    assert await me(surface, token) == "token_expired"


async def test_a_token_of_before_the_password_change_is_refused_to_the_millisecond(surface: Surface) -> None:
    tokens = await surface.sign_up()
    stored = await surface.user(EMAIL)
    session = tokens["refreshToken"].partition(".")[0]
    changed_at = stored["passwordChangedAt"]
    user = User(
        id=str(stored["_id"]),
        email=EMAIL,
        role="client",
        profile_id=stored["profileId"],
        password=None,
        created_at=stored["createdAt"],
        updated_at=stored["updatedAt"],
    )
    same, _ = surface.tokens.issue(user, session, changed_at)
    earlier, _ = surface.tokens.issue(user, session, changed_at - timedelta(milliseconds=1))
    assert await me(surface, same) == "ok"
    assert await me(surface, earlier) == "unauthenticated"


def altered(token: str, **changes: Any) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return {name: value for name, value in (claims | changes).items() if value is not None}


async def test_tokens_that_are_not_quite_ours_are_refused(surface: Surface) -> None:
    good = (await surface.sign_up())["accessToken"]
    header, body, signature = good.split(".")
    unsigned = base64.urlsafe_b64encode(json.dumps({"alg": "none", "typ": "JWT"}).encode()).rstrip(b"=").decode()
    forged = [
        "",
        "x",
        "a.b.c",
        f"{unsigned}.{body}.",
        f"{header}.{body}.{signature[:-4]}AAAA",
        jwt.encode(altered(good), SECRET * 2, algorithm="HS512"),
        jwt.encode(altered(good), "another key that is long enough to be one", algorithm="HS256"),
        "é" * 10,
        "a" * 5000,
    ]
    for claim in ("exp", "iat", "sub", "aud", "iss", "typ", "sid"):
        forged.append(jwt.encode(altered(good, **{claim: None}), SECRET, algorithm="HS256"))
    for claims in (
        {"typ": "refresh"},
        {"aud": "others"},
        {"iss": "others"},
        {"sid": "0" * 24},
        {"sub": "0" * 24},
        {"sub": '{"$ne": null}'},
        {"exp": True},
        {"exp": 1e300},
        {"iat": 9e12},
        {"iat": "now"},
    ):
        forged.append(jwt.encode(altered(good, **claims), SECRET, algorithm="HS256"))
    for token in forged:
        assert await me(surface, token) == "unauthenticated", token
    assert await me(surface, good) == "ok"


@pytest.mark.parametrize("header", ["", "Bearer", "Basic YTpi", "bearer "])
async def test_without_a_bearer_there_is_no_answer(surface: Surface, header: str) -> None:
    answer = await surface.get("/me", headers={"Authorization": header})
    assert (answer.status, answer.code) == (401, "unauthenticated")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


async def test_a_password_hash_of_older_parameters_is_renewed_at_login(surface: Surface) -> None:
    await surface.sign_up()
    old = PasswordHasher(time_cost=2, memory_cost=64, parallelism=1).hash(PASSWORD)
    await surface.set_user(EMAIL, password=old)
    assert (await surface.login(EMAIL)).status == 200
    assert (await surface.user(EMAIL))["password"] != old
    assert (await surface.login(EMAIL)).status == 200
