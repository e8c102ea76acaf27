"""What administrators see and do, and that all of it is recorded with the act."""

from __future__ import annotations

import secrets
from typing import Any

import pytest

from tests.bookings.market import Data, Market, Somebody

PASSWORD = "correct horse battery"


async def audit(market: Market, admin: Somebody, **query: str) -> list[Data]:
    answer = await market.call("GET", "/admin/audit", None, admin, query=query)
    assert answer.status == 200, answer
    items: list[Data] = answer.body["items"]
    return items


def changed(entry: Data) -> tuple[Any, ...]:
    return entry["action"], entry["before"], entry["after"], entry["reason"]


async def test_blocking_and_unblocking_are_recorded(market: Market) -> None:
    admin, client = await market.somebody("admin"), await market.somebody("client")
    for act in ("block", "unblock"):
        answer = await market.call("POST", f"/admin/users/{client.id}/{act}", {"reason": f"to {act}"}, admin)
        assert answer.status == 204
    entries = await audit(market, admin, target=client.id)
    assert [changed(one) for one in entries] == [
        ("user.unblock", {"isBlocked": True}, {"isBlocked": False}, "to unblock"),
        ("user.block", {"isBlocked": False}, {"isBlocked": True}, "to block"),
    ]
    assert {(one["actor"], one["actorRole"], one["address"]) for one in entries} == {(admin.id, "admin", "127.0.0.1")}
    assert {one["target"]["kind"] for one in entries} == {"user"}
    # What is refused or changes nothing is no act.
    assert (await market.call("POST", f"/admin/users/{client.id}/unblock", {}, admin)).status == 204
    assert (await market.call("POST", f"/admin/users/{admin.id}/block", {"reason": "x"}, admin)).status == 403
    assert len(await audit(market, admin, actor=admin.id)) == 2


async def test_changes_of_categories_are_recorded(market: Market) -> None:
    admin = await market.somebody("admin")
    first, second = secrets.token_hex(6), secrets.token_hex(6)
    category = (await market.call("POST", "/admin/categories", {"name": first}, admin)).body["id"]
    await market.call("PATCH", f"/admin/categories/{category}", {"name": second}, admin)
    body = {"name": first, "category": category}
    sub = (await market.call("POST", "/admin/subcategories", body, admin)).body["id"]
    await market.call("PATCH", f"/admin/subcategories/{sub}", {"name": second}, admin)
    assert (await market.call("DELETE", f"/admin/subcategories/{sub}", None, admin)).status == 204
    assert (await market.call("DELETE", f"/admin/categories/{category}", None, admin)).status == 204
    assert [changed(one)[:3] for one in reversed(await audit(market, admin, actor=admin.id))] == [
        ("category.create", None, {"name": first}),
        ("category.update", {"name": first}, {"name": second}),
        ("subcategory.create", None, {"name": first, "category": category}),
        ("subcategory.update", {"name": first, "category": category}, {"name": second, "category": category}),
        ("subcategory.delete", {"name": second, "category": category}, None),
        ("category.delete", {"name": second}, None),
    ]


async def test_changes_of_bookings_are_recorded_when_an_administrator_makes_them(market: Market) -> None:
    admin, trainer = await market.somebody("admin"), await market.trainer()
    client = await market.client(trainer)
    booked = await market.booked(client, trainer, market.at(9, days=2))
    booked = (await market.move(booked, client, market.at(10, days=2))).body
    assert (await market.move(booked, admin, market.at(11, days=2))).status == 200
    assert (await market.cancel(booked, admin)).status == 200
    cancelled, moved = await audit(market, admin, target=booked["id"])
    assert (moved["action"], cancelled["action"]) == ("booking.reschedule", "booking.cancel")
    assert (moved["before"]["startsAt"], moved["before"]["version"]) == (booked["startsAt"], 2)
    assert (cancelled["before"]["status"], cancelled["after"]["status"]) == ("confirmed", "cancelled")


async def test_a_superadmin_makes_admins(market: Market) -> None:
    root, admin = await market.somebody("superAdmin"), await market.somebody("admin")
    body = {"email": f"{secrets.token_hex(6)}@People.test", "name": "Ada", "password": PASSWORD}
    assert (await market.call("POST", "/admin/admins", body, admin)).code == "forbidden"
    made = await market.call("POST", "/admin/admins", body, root)
    assert (made.status, made.body["role"], made.body["name"]) == (201, "admin", "Ada")
    assert made.body["email"] == body["email"].lower()
    assert (await market.call("POST", "/admin/admins", body, root)).code == "conflict"
    login = await market.call("POST", "/auth/login", {"email": body["email"], "password": PASSWORD})
    assert (login.body["user"]["role"], login.body["user"]["profileId"]) == ("admin", made.body["profileId"])
    (entry,) = await audit(market, root, target=made.body["id"])
    assert changed(entry) == ("admin.create", None, {"role": "admin"}, None)


async def test_users_are_listed_by_what_is_asked(market: Market) -> None:
    admin, client = await market.somebody("admin"), await market.somebody("client")
    assert (await market.call("POST", f"/admin/users/{client.id}/block", {"reason": "spam"}, admin)).status == 204

    async def listed(**query: str) -> list[Data]:
        answer = await market.call("GET", "/admin/users", None, admin, query=query)
        assert answer.status == 200, answer
        items: list[Data] = answer.body["items"]
        return items

    (one,) = await listed(email=client.user.email[:-2].upper())
    assert (one["id"], one["role"], one["isBlocked"], one["name"]) == (client.id, "client", True, one["name"])
    assert (one["block"]["by"], one["block"]["reason"]) == (admin.id, "spam")
    assert not {"password", "passwordChangedAt", "nonce"} & one.keys()
    assert (await listed(isBlocked="true", limit="1"))[0]["id"] == client.id
    assert (await listed(role="admin", limit="1"))[0]["id"] == admin.id
    assert client.id not in {one["id"] for one in await listed(isBlocked="false", limit="100")}
    assert await listed(email=".*") == []
    for bad in ({"role": "king"}, {"limit": "0"}, {"cursor": "x"}, {"isBlocked": "perhaps"}, {"email[$gt]": ""}):
        assert (await market.call("GET", "/admin/users", None, admin, query=bad)).code == "validation_failed", bad


async def test_all_bookings_are_listed(market: Market) -> None:
    admin, trainer = await market.somebody("admin"), await market.trainer()
    clients = [await market.client(trainer) for _ in range(2)]
    booked = [await market.booked(one, trainer, market.at(9 + n, days=2)) for n, one in enumerate(clients)]

    async def listed(**query: str) -> list[str]:
        answer = await market.call("GET", "/admin/bookings", None, admin, query=query)
        assert answer.status == 200, answer
        return [one["id"] for one in answer.body["items"]]

    assert await listed(trainer=trainer.profile) == [one["id"] for one in booked]
    assert await listed(trainer=trainer.profile, client=clients[1].profile) == [booked[1]["id"]]
    assert await listed(trainer=trainer.profile, status="cancelled") == []
    assert {*await listed(limit="100")} >= {one["id"] for one in booked}


async def test_statistics_count(market: Market) -> None:
    admin = await market.somebody("admin")
    before = (await market.call("GET", "/admin/stats", None, admin)).body
    trainer = await market.trainer()
    client = await market.client(trainer)
    booked = await market.booked(client, trainer, market.at(9, days=2))
    await market.booked(client, trainer, market.at(10, days=2))
    await market.cancel(booked, client)
    assert (await market.call("POST", "/reports", {"userId": trainer.id, "reason": "x"}, client)).status == 201
    assert (await market.call("POST", f"/admin/users/{client.id}/block", {"reason": "x"}, admin)).status == 204
    after = (await market.call("GET", "/admin/stats", None, admin)).body

    def grown(*path: str) -> int:
        old: Any = before
        new: Any = after
        for name in path[:-1]:
            old, new = old[name], new[name]
        return int(new[path[-1]]) - int(old.get(path[-1], 0))

    assert grown("users", "byRole", "client") == grown("users", "byRole", "trainer") == 1
    assert grown("users", "blocked") == grown("reports", "open") == 1
    assert grown("bookings", "confirmed") == grown("bookings", "cancelled") == 1
    assert grown("conversations") == 1 and grown("entries") == 3


async def test_pages_of_the_audit(market: Market) -> None:
    admin = await market.somebody("admin")
    clients = [(await market.somebody("client")).id for _ in range(3)]
    for one in clients:
        await market.call("POST", f"/admin/users/{one}/block", {"reason": "x"}, admin)
    first = (await market.call("GET", "/admin/audit", None, admin, query={"actor": admin.id, "limit": "2"})).body
    assert [one["target"]["id"] for one in first["items"]] == clients[:0:-1]
    rest = await audit(market, admin, actor=admin.id, cursor=first["nextCursor"])
    assert [one["target"]["id"] for one in rest] == clients[:1]
    assert await audit(market, admin, actor=admin.id, action="user.unblock") == []


@pytest.mark.parametrize("method", ["PUT", "PATCH", "POST", "DELETE"])
async def test_nobody_changes_what_was_recorded(market: Market, method: str) -> None:
    root = await market.somebody("superAdmin")
    for path in ("/admin/audit", f"/admin/audit/{'0' * 24}"):
        assert (await market.call(method, path, {}, root)).status in (404, 405)


async def test_the_erased_are_listed_without_an_address(market: Market) -> None:
    admin, client = await market.somebody("admin"), await market.somebody("client")
    assert await market.store.erasures.erase(client.user, market.clock()) is not None
    listed = (await market.call("GET", "/admin/users", None, admin, query={"role": "client"})).body["items"]
    (erased,) = [one for one in listed if one["id"] == client.id]
    assert (erased["isDeleted"], erased["email"], erased["name"]) == (True, None, "Erased account")
