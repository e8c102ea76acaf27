"""Administrators block users: who may block whom, what a blocked user is told, and what coming back means."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from domain.accounts import Role
from server.app import utc_now
from tests.harness.light_sockets import open_sockets
from tests.together.revocation_nodes import DEAD_REDIS, PASSWORD, Fleet, fleet

REASON = {"reason": "spam"}


@pytest.fixture
async def lone_node(database_url: str, tmp_path: Path) -> AsyncIterator[Fleet]:
    async with fleet(database_url, DEAD_REDIS, tmp_path, utc_now) as made:
        yield made


@pytest.mark.parametrize(
    ("role", "target", "status"),
    [
        ("admin", "client", 204),
        ("admin", "trainer", 204),
        ("admin", "admin", 204),
        ("superAdmin", "admin", 204),
        ("superAdmin", "superAdmin", 204),
        ("admin", "superAdmin", 403),
        ("client", "trainer", 403),
        ("trainer", "client", 403),
    ],
)
async def test_who_may_block_whom(lone_node: Fleet, role: Role, target: Role, status: int) -> None:
    actor, other = await lone_node.people.make(role), await lone_node.people.make(target)
    for act in ("block", "unblock"):
        answer = await lone_node.post(0, f"/admin/users/{other.id}/{act}", REASON, actor.token)
        assert answer.status == status, act
    assert status == 204 or answer.code == "forbidden"


async def test_nobody_blocks_himself(lone_node: Fleet) -> None:
    admin = await lone_node.people.make("superAdmin")
    assert (await lone_node.post(0, f"/admin/users/{admin.id}/block", REASON, admin.token)).code == "forbidden"


async def test_what_cannot_be_blocked(lone_node: Fleet) -> None:
    admin, other = await lone_node.people.make("admin"), await lone_node.person()
    assert (await lone_node.post(0, f"/admin/users/{'0' * 24}/block", REASON, admin.token)).code == "not_found"
    for body in ({}, {"reason": ""}, {"reason": "a\x00b"}):
        answer = await lone_node.post(0, f"/admin/users/{other.id}/block", body, admin.token)
        assert answer.code == "validation_failed"
    assert (await lone_node.post(0, f"/admin/users/{other.id}/block", REASON)).code == "unauthenticated"
    # Whoever is no administrator is not told who exists.
    assert (await lone_node.post(0, f"/admin/users/{'0' * 24}/block", REASON, other.token)).code == "forbidden"
    assert (await lone_node.post(0, "/me/erase", {"password": PASSWORD}, other.token)).status == 204
    assert (await lone_node.post(0, f"/admin/users/{other.id}/block", REASON, admin.token)).code == "not_found"


async def test_a_blocked_user_is_told_so_everywhere_and_may_come_back_without_its_sessions(lone_node: Fleet) -> None:
    admin, person = await lone_node.people.make("admin"), await lone_node.person()
    tokens = await lone_node.login(person)
    login = {"email": person.email, "password": PASSWORD}
    refresh = {"refreshToken": tokens["refreshToken"]}
    for _ in range(2):  # a repeat is no error
        assert (await lone_node.post(0, f"/admin/users/{person.id}/block", REASON, admin.token)).status == 204
    assert (await lone_node.post(0, "/auth/login", login)).code == "account_blocked"
    assert (await lone_node.post(0, "/auth/login", login | {"password": "a wrong one"})).code == "invalid_credentials"
    assert (await lone_node.post(0, "/auth/refresh", refresh)).code == "account_blocked"
    assert (await lone_node.call("GET", 0, "/me", token=tokens["accessToken"])).code == "account_blocked"
    with pytest.raises(ConnectionRefusedError, match="account_blocked"):
        await open_sockets(lone_node.nodes[0].url, [tokens["accessToken"]]).__aenter__()
    stored = await lone_node.nodes[0].node.database.collection("users").find_one({"email": person.email})
    assert stored is not None
    assert (stored["isBlocked"], stored["blockedReason"], str(stored["blockedBy"])) == (True, "spam", admin.id)
    assert (await lone_node.post(0, f"/admin/users/{person.id}/unblock", {}, admin.token)).status == 204
    assert (await lone_node.post(0, "/auth/refresh", refresh)).code == "unauthenticated"
    assert (await lone_node.call("GET", 0, "/me", token=tokens["accessToken"])).code == "unauthenticated"
    with pytest.raises(ConnectionRefusedError, match="unauthenticated"):
        await open_sockets(lone_node.nodes[0].url, [tokens["accessToken"]]).__aenter__()
    assert (await lone_node.post(0, "/auth/login", login)).status == 200


async def test_a_session_begun_while_the_user_was_being_blocked_does_not_survive_the_unblocking(
    lone_node: Fleet,
) -> None:
    admin, person = await lone_node.people.make("admin"), await lone_node.person()
    user = await lone_node.nodes[0].node.store.users.by_id(person.id)
    assert user is not None
    assert (await lone_node.post(0, f"/admin/users/{person.id}/block", REASON, admin.token)).status == 204
    token, _ = await lone_node.people.sign_in(user)
    assert (await lone_node.call("GET", 0, "/me", token=token)).code == "account_blocked"
    assert (await lone_node.post(0, f"/admin/users/{person.id}/unblock", REASON, admin.token)).status == 204
    assert (await lone_node.call("GET", 0, "/me", token=token)).code == "unauthenticated"


async def test_an_erased_account_is_gone_and_its_address_free(lone_node: Fleet) -> None:
    person = await lone_node.person("trainer")
    assert (await lone_node.post(0, "/me/erase", {"password": "not it"}, person.token)).code == "invalid_credentials"
    assert (await lone_node.call("GET", 0, "/me", token=person.token)).status == 200
    assert (await lone_node.post(0, "/me/erase", {"password": PASSWORD}, person.token)).status == 204
    assert (await lone_node.call("GET", 0, "/me", token=person.token)).code == "unauthenticated"
    login = {"email": person.email, "password": PASSWORD}
    assert (await lone_node.post(0, "/auth/login", login)).code == "invalid_credentials"
    database = lone_node.nodes[0].node.database
    for name in await database.db.list_collection_names():
        async for document in database.collection(name).find():
            assert person.email not in str(document), name
    body = {"email": person.email, "password": PASSWORD, "role": "client", "name": "Ann"}
    assert (await lone_node.post(0, "/auth/register", body)).status == 202
