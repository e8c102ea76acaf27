"""Administrators keep endpoints; what they are shown once is stored nowhere."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from domain.webhooks import EVENT_TYPES, MAX_ENDPOINTS
from tests.bookings.market import Data, Market
from tests.harness.databases import contents
from tests.webhooks.hooks import Hooks, unique

EVENTS = ["user.erased"]


async def test_a_repeat_under_a_key_is_answered_alike_and_no_secret_is_stored(hooks: Hooks, market: Market) -> None:
    key, body = unique(), {"url": "https://hooks.example/in?token=canary7f3a", "events": EVENTS}
    first = await hooks.call("POST", "", body, key=key)
    assert first.status == 201
    assert await hooks.call("POST", "", body, key=key) == first
    assert (await hooks.call("POST", "", {**body, "events": ["booking.created"]}, key=key)).code == (
        "idempotency_conflict"
    )
    assert [one["id"] for one in (await hooks.call("GET", "")).body["items"]] == [first.body["id"]]
    assert "secret" not in await hooks.shown(first.body)
    one, key = f"/{first.body['id']}", unique()
    rotated = await hooks.call("PATCH", one, {"rotateSecret": True}, key=key)
    assert await hooks.call("PATCH", one, {"rotateSecret": True}, key=key) == rotated
    assert rotated.body["secret"] not in (None, first.body["secret"])
    assert (await hooks.call("PATCH", one, {})).body["secret"] is None
    stored = str(await contents(market.nodes[0].database))
    for secret in (first.body["secret"], rotated.body["secret"]):
        assert secret.removeprefix("whsec_") not in stored
    assert "whsec_" not in stored
    entries = (await market.call("GET", "/admin/audit", None, hooks.admin)).body["items"]
    assert "canary" not in str(entries)


async def test_what_administrators_do_is_recorded(hooks: Hooks, market: Market) -> None:
    endpoint = await hooks.add("https://hooks.example:8443/in", EVENTS)
    await hooks.change(endpoint, url="https://other.example/in", events=["user.registered", "user.erased"])
    await hooks.change(endpoint, rotateSecret=True, isActive=False)
    await hooks.change(endpoint, replay=True)
    await hooks.change(endpoint, isActive=False)
    assert (await hooks.call("DELETE", f"/{endpoint['id']}")).status == 204
    query = {"target": endpoint["id"]}
    entries = (await market.call("GET", "/admin/audit", None, hooks.admin, query=query)).body["items"]
    both = ["user.registered", "user.erased"]
    first = {"origin": "https://hooks.example:8443", "events": EVENTS, "isActive": True, "secret": 1}
    last = {"origin": "https://other.example", "events": both, "isActive": False, "secret": 2}
    assert [(one["action"], one["before"], one["after"]) for one in reversed(entries)] == [
        ("webhook.create", None, first),
        (
            "webhook.update",
            {"origin": "https://hooks.example:8443", "events": EVENTS},
            {"origin": "https://other.example", "events": both},
        ),
        ("webhook.update", {"isActive": True, "secret": 1}, {"isActive": False, "secret": 2}),
        ("webhook.update", {}, {"replayed": True}),
        ("webhook.delete", last, None),
    ]
    assert {(one["actor"], one["target"]["kind"]) for one in entries} == {(hooks.admin.id, "webhook")}


async def test_there_are_so_many_however_many_are_added_at_once(hooks: Hooks) -> None:
    body = {"url": "https://hooks.example/", "events": EVENTS}
    answers = await asyncio.gather(*(hooks.call("POST", "", body) for _ in range(MAX_ENDPOINTS + 3)))
    assert sorted(one.code or "" for one in answers) == [""] * MAX_ENDPOINTS + ["conflict"] * 3
    made = [one.body["id"] for one in answers if one.status == 201]
    assert (await hooks.call("DELETE", f"/{made[3]}")).status == 204
    assert (await hooks.call("POST", "", body)).status == 201


GOOD: Data = {"url": "https://hooks.example/in", "events": EVENTS}
AT_FAULT: dict[str, list[Any]] = {
    "url": [
        None,
        7,
        "",
        "hooks.example",
        "ftp://hooks.example/",
        "https://user:hush@hooks.example/",
        "https://hooks.example/#part",
        f"https://hooks.example/{'a' * 500}",
        "http://hooks.example/",
        "https://localhost/",
        "https://LOCALHOST:8443/",
        "https://127.0.0.1/",
        "https://10.1.2.3/",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://[fd00::1]:8443/",
        "https://0x7f000001/",
        "https://2130706433/",
    ],
    "events": [None, [], "user.erased", ["user.erased"] * (len(EVENT_TYPES) + 1)],
}


@pytest.mark.parametrize("field", AT_FAULT)
async def test_each_field_at_fault_is_named(hooks: Hooks, market: Market, field: str) -> None:
    market.nodes[0].webhooks.allows_private = False
    endpoint = await hooks.add("https://hooks.example/in", EVENTS)
    missing = {name: said for name, said in GOOD.items() if name != field}
    assert [one["field"] for one in (await hooks.call("POST", "", missing)).body["errors"]] == [field]
    for value in AT_FAULT[field]:
        added = await hooks.call("POST", "", {**GOOD, field: value})
        changed = await hooks.call("PATCH", f"/{endpoint['id']}", {field: value})
        for answer in (added, changed):
            assert answer.code == "validation_failed", (value, answer)
            assert [one["field"] for one in answer.body["errors"]] == [field], (value, answer)
    assert await hooks.shown(endpoint) == {name: said for name, said in endpoint.items() if name != "secret"}


async def test_all_fields_at_fault_are_named_and_what_is_not_there_is_not_found(hooks: Hooks) -> None:
    body = {"url": "x", "events": ["user.born", "user.erased"], "isActive": 1, "rotateSecret": "yes", "replay": None}
    answer = await hooks.call("PATCH", f"/{'0' * 24}", {**body, "secret": "whsec_mine"})
    assert {one["field"] for one in answer.body["errors"]} == {
        "url", "events[0]", "isActive", "rotateSecret", "replay", "secret",
    }  # fmt: skip
    added = await hooks.call("POST", "", {"url": "x", "events": ["user.born"], "secret": "whsec_mine"})
    assert {one["field"] for one in added.body["errors"]} == {"url", "events[0]", "secret"}
    for method in ("PATCH", "DELETE"):
        assert (await hooks.call(method, f"/{'0' * 24}", {} if method == "PATCH" else None)).code == "not_found"
        assert (await hooks.call(method, "/x", {} if method == "PATCH" else None)).code == "validation_failed"
