"""Devices that pushes go to: whose they are, how many, and when they end."""

from __future__ import annotations

import secrets
from typing import Any

import pytest

from domain.notifications import MAX_DEVICES
from tests.bookings.market import Market, Somebody


async def register(market: Market, who: Somebody, device_id: str, token: str, platform: str = "ios") -> None:
    answer = await market.call("PUT", f"/me/devices/{device_id}", {"platform": platform, "token": token}, who)
    assert answer.status == 204, answer
    market.clock.advance(seconds=1)


async def of(market: Market, who: Somebody) -> dict[str, tuple[str, str]]:
    return {one.device_id: (one.platform, one.token) for one in await market.store.devices.of(who.id)}


async def test_a_device_has_one_token_and_a_token_one_device(market: Market) -> None:
    ann, bob = await market.client(), await market.client()
    old, new = secrets.token_hex(32), secrets.token_hex(32)
    await register(market, ann, "phone", old)
    await register(market, ann, "phone", new)
    await register(market, ann, "tablet", old, "android")
    assert await of(market, ann) == {"phone": ("ios", new), "tablet": ("android", old)}
    # The tablet is Bob's now, under whatever name.
    await register(market, bob, "phone", old, "android")
    assert await of(market, ann) == {"phone": ("ios", new)}
    assert await of(market, bob) == {"phone": ("android", old)}
    for _ in range(2):
        assert (await market.call("DELETE", "/me/devices/phone", None, ann)).status == 204
    assert (await of(market, ann), await of(market, bob)) == ({}, {"phone": ("android", old)})


async def test_the_oldest_gives_way_to_one_too_many(market: Market) -> None:
    ann = await market.client()
    for number in range(MAX_DEVICES + 1):
        await register(market, ann, f"d{number}", secrets.token_hex(32))
    assert (await of(market, ann)).keys() == {f"d{number}" for number in range(1, MAX_DEVICES + 1)}


async def test_an_erased_user_has_none(market: Market) -> None:
    ann = await market.client()
    await register(market, ann, "phone", secrets.token_hex(32))
    quiet = {"quietHours": {"startTime": "22:00", "endTime": "07:00"}}
    assert (await market.call("PUT", "/me/notifications", quiet, ann)).status == 200
    assert await market.store.erasures.erase(ann.user, market.clock()) is not None
    assert await of(market, ann) == {}
    database = market.nodes[0].database
    for name in await database.db.list_collection_names():
        if name in ("pushDevices", "notificationPreferences"):
            assert not [one async for one in database.collection(name).find() if ann.id in str(one)]


GOOD = {"platform": "ios", "token": "abc"}


@pytest.mark.parametrize(
    ("device", "change", "field"),
    [
        ("phone", {"platform": None}, "platform"),
        ("phone", {"platform": "fridge"}, "platform"),
        ("phone", {"token": None}, "token"),
        ("phone", {"token": ""}, "token"),
        ("phone", {"token": "a b"}, "token"),
        ("phone", {"token": "a\n"}, "token"),
        ("phone", {"token": "a\u00e9"}, "token"),
        ("phone", {"token": "x" * 4097}, "token"),
        ("phone", {"token": {"$gt": ""}}, "token"),
        ("phone", {"user": "a" * 24}, "user"),
        ("x" * 65, {}, "deviceId"),
        ("a%20b", {}, "deviceId"),
        ("a%0A", {}, "deviceId"),
    ],
)
async def test_what_is_refused_is_named(market: Market, device: str, change: dict[str, Any], field: str) -> None:
    ann = await market.client()
    answer = await market.call("PUT", f"/me/devices/{device}", {**GOOD, **change}, ann)
    assert (answer.status, answer.code) == (422, "validation_failed"), answer
    assert [error["field"] for error in answer.body["errors"]] == [field]
    assert await of(market, ann) == {}


@pytest.mark.parametrize("missing", ["platform", "token"])
async def test_a_missing_field_is_named(market: Market, missing: str) -> None:
    ann = await market.client()
    body = {name: value for name, value in GOOD.items() if name != missing}
    answer = await market.call("PUT", "/me/devices/phone", body, ann)
    assert answer.body["errors"] == [{"field": missing, "message": "is required"}]
