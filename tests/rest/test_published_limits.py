"""``GET /v1/limits``: what it says is what is enforced."""

from __future__ import annotations

from typing import Any

import pytest

from rest.routes import ROWS
from store.database import Database
from tests.rest.surface import PASSWORD, Surface, serve


async def limits_of(surface: Surface) -> dict[str, Any]:
    answer = await surface.get("/limits")
    assert answer.status == 200, answer.text
    return dict(answer.body)


async def test_every_route_is_there_with_policies_that_are_explained(surface: Surface) -> None:
    said = await limits_of(surface)
    assert [(one["method"], one["path"]) for one in said["routes"]] == [(row.method, row.full_path) for row in ROWS]
    explained = {window["policy"] for window in said["windows"]}
    assert explained == {policy for one in said["routes"] for policy in one["policies"]} | set(said["everywhere"])


async def test_quotas_are_those_of_the_headers(database: Database) -> None:
    async with serve(database, rate_limit_scale=0.5) as half:
        windows = {one["policy"]: one for one in (await limits_of(half))["windows"]}
        assert windows["register:address+email"] == {
            "policy": "register:address+email", "by": "network and e-mail address", "quota": 2, "windowInSeconds": 3600,
        }  # fmt: skip
        body = {"email": "ann@example.com", "password": PASSWORD, "role": "client", "name": "Ann"}
        answers = [await half.post("/auth/register", body) for _ in range(3)]
        assert [answer.status for answer in answers] == [202, 202, 429]
        for policy in answers[0].headers["RateLimit-Policy"].split(", "):
            name, quota, window = policy.split(";")
            one = windows[name.strip('"')]
            assert (quota, window) == (f"q={one['quota']}", f"w={one['windowInSeconds']}")


async def test_fields_are_told_with_their_bounds(surface: Surface) -> None:
    routes = {f"{one['method']} {one['path']}": one["fields"] for one in (await limits_of(surface))["routes"]}
    assert routes["POST /v1/auth/register"]["password"] == {"minLength": 10, "maxLength": 128}
    assert routes["POST /v1/conversations/{id}/messages"]["clientMessageId"] == {"minLength": 1, "maxLength": 64}
    assert routes["GET /v1/trainers"]["limit"] == {"minimum": 1, "maximum": 100}
    windows = routes["PUT /v1/me/availability"]
    assert windows["days"]["maxItems"] == 84
    assert windows["timeZone"]["maxLength"] == 64


@pytest.mark.parametrize("extra", [0, 1])
async def test_a_body_is_as_large_as_it_says(surface: Surface, extra: int) -> None:
    bounds = {one["name"]: one for one in (await limits_of(surface))["bounds"]}
    assert bounds["body"]["unit"] == "bytes"
    # White space around the object belongs to the body.
    data = b"{}".ljust(bounds["body"]["most"] + extra)
    answer = await surface.call(
        "POST", "/v1/auth/login", data=data, headers={"Content-Type": "application/json"}
    )
    assert answer.code == ("validation_failed", "payload_too_large")[extra]


async def test_each_bound_has_one_name(surface: Surface) -> None:
    names = [one["name"] for one in (await limits_of(surface))["bounds"]]
    assert len(names) == len(set(names))
