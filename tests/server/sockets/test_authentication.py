"""Who may connect a namespace: each refusal by its code, one namespace at a time, and another try is free."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import jwt
import pytest
from bson import ObjectId
from websockets.exceptions import ConnectionClosed

from domain.wire.events import NAMESPACES
from server.app import utc_now
from tests.harness.nodes import SECRET, RunningNode
from tests.harness.people import People, Person
from tests.harness.waiting import until
from tests.server.sockets.raw import admitted, raw_socket


@dataclass
class Case:
    running: RunningNode
    people: People
    person: Person

    @property
    def claims(self) -> dict[str, Any]:
        return dict(jwt.decode(self.person.token, options={"verify_signature": False}))

    def forged(self, key: str = SECRET, algorithm: str = "HS256", **changes: Any) -> str:
        claims = {name: value for name, value in {**self.claims, **changes}.items() if value is not None}
        return jwt.encode(claims, key, algorithm=algorithm)

    async def set_user(self, **fields: Any) -> str:
        users = self.running.node.database.collection("users")
        assert (await users.update_one({"_id": ObjectId(self.person.id)}, {"$set": fields})).matched_count
        return self.person.token

    async def ended(self) -> str:
        sessions = self.running.node.store.sessions
        assert await sessions.revoke(self.person.id, self.person.session_id, "logout", utc_now())
        return self.person.token


Make = Callable[[Case], str | Awaitable[str]]
NOW = utc_now().timestamp()
OTHER_KEY = "another key, just as long as it has to be: 0123456789"

TOKENS: dict[str, tuple[Make, str]] = {
    "garbage": (lambda case: "garbage", "unauthenticated"),
    "three parts of garbage": (lambda case: "a.b.c", "unauthenticated"),
    "empty": (lambda case: "", "unauthenticated"),
    "not ASCII": (lambda case: "é" * 20, "unauthenticated"),
    "endless": (lambda case: "a" * 6_000, "unauthenticated"),
    "cut short": (lambda case: case.person.token[:-1], "unauthenticated"),
    "another key": (lambda case: case.forged(OTHER_KEY), "unauthenticated"),
    "algorithm none": (lambda case: jwt.encode(case.claims, "", algorithm="none"), "unauthenticated"),
    "algorithm HS512": (lambda case: case.forged(SECRET * 2, "HS512"), "unauthenticated"),
    "of another kind": (lambda case: case.forged(typ="refresh"), "unauthenticated"),
    "for another audience": (lambda case: case.forged(aud="somebody else"), "unauthenticated"),
    "by another issuer": (lambda case: case.forged(iss="somebody else"), "unauthenticated"),
    "issued in the future": (lambda case: case.forged(iat=NOW + 3600, exp=NOW + 7200), "unauthenticated"),
    "expired": (lambda case: case.forged(iat=NOW - 1000, exp=NOW - 1), "token_expired"),
    "of a session that never was": (lambda case: case.forged(sid="0" * 24), "unauthenticated"),
    "of a user that never was": (lambda case: case.forged(sub="0" * 24), "unauthenticated"),
    "an operator for a user": (lambda case: case.forged(sub="{$ne: null}"), "unauthenticated"),
    "of a session that ended": (lambda case: case.ended(), "unauthenticated"),
    "of a blocked user": (lambda case: case.set_user(isBlocked=True), "account_blocked"),
    "of an unverified user": (lambda case: case.set_user(isVerified=False), "email_not_verified"),
    "of an erased user": (lambda case: case.set_user(isDeleted=True), "unauthenticated"),
    "from before the password changed": (
        lambda case: case.set_user(passwordChangedAt=utc_now() + timedelta(seconds=1)),
        "unauthenticated",
    ),
}


def without(claim: str) -> Make:
    changes: dict[str, Any] = {claim: None}
    return lambda case: case.forged(**changes)


CLAIMS = ("exp", "iat", "sub", "aud", "iss", "typ", "sid")
TOKENS |= {f"without {claim}": (without(claim), "unauthenticated") for claim in CLAIMS}
AUTHS = (
    *("", "{}", "{", "{}}", '{"token":null}', '{"token":7}', '{"token":""}'),
    *('{"token":{"$ne":null}}', '{"token":["a"]}'),
)


@pytest.fixture
async def case(shared: RunningNode, fresh_people: People) -> AsyncIterator[Case]:
    yield Case(shared, fresh_people, await fresh_people.make())
    await until(lambda: not shared.node.gateway.clients)


async def made(case: Case, make: Make) -> str:
    token = make(case)
    return token if isinstance(token, str) else await token


@pytest.mark.parametrize(("make", "code"), TOKENS.values(), ids=TOKENS)
async def test_a_token_that_is_refused(case: Case, make: Make, code: str) -> None:
    right = await case.people.make()
    bystander = await case.people.another_device(right)
    async with admitted(case.running.url, bystander.token) as other, raw_socket(case.running.url) as raw:
        token = await made(case, make)
        for namespace in NAMESPACES:
            refusal = await raw.connect(token, namespace)
            assert refusal["data"] == {"code": code}, refusal
            assert refusal["message"]
        # A refused socket is in no room, and counts for no user.
        assert case.running.node.registry.users == case.running.node.rooms.connections == 1
        for namespace in NAMESPACES:
            assert "sid" in await raw.connect(right.token, namespace)
        assert await raw.is_usable()
        assert await other.is_usable()


async def test_a_handshake_without_a_proper_token(case: Case) -> None:
    async with raw_socket(case.running.url) as raw:
        for auth in AUTHS:
            await raw.send(f"0/conversations,{auth}")
            assert (await raw.answer_to_connect())["data"] == {"code": "unauthenticated"}
        assert "sid" in await raw.connect(case.person.token)


async def test_other_fields_of_the_handshake_are_the_librarys_business(case: Case) -> None:
    async with raw_socket(case.running.url) as raw:
        await raw.send("0/conversations," + json.dumps({"token": case.person.token, "pid": "x", "offset": {"a": [1]}}))
        assert "sid" in await raw.answer_to_connect()


@pytest.mark.parametrize(("make", "code"), [TOKENS["garbage"], TOKENS["expired"], TOKENS["another key"]])
async def test_a_refusal_leaves_the_other_namespaces_alone(case: Case, make: Make, code: str) -> None:
    async with admitted(case.running.url, case.person.token, "/conversations") as raw:
        refusal = await raw.connect(await made(case, make), "/presence")
        assert refusal["data"] == {"code": code}
        assert await raw.is_usable("/conversations")
        assert "sid" in await raw.connect(case.person.token, "/presence")
        assert await raw.is_usable("/presence")


async def test_a_second_user_on_one_socket_is_refused(case: Case) -> None:
    other = await case.people.make()
    async with admitted(case.running.url, case.person.token, "/conversations") as raw:
        assert (await raw.connect(other.token, "/presence"))["data"] == {"code": "forbidden"}
        assert await raw.is_usable("/conversations")
        assert "sid" in await raw.connect(case.person.token, "/presence")


async def test_a_second_user_is_welcome_when_the_first_has_left(case: Case) -> None:
    other = await case.people.make()
    async with admitted(case.running.url, case.person.token, *NAMESPACES) as raw:
        for namespace in NAMESPACES:
            await raw.send(f"1{namespace},")
        assert "sid" in await raw.connect(other.token)
        assert (await raw.ask("conversation:list", "{}"))["data"]["items"] == []
        assert case.running.node.registry.users == 1


async def test_another_device_of_the_user_may_share_the_socket(case: Case) -> None:
    again = await case.people.another_device(case.person)
    async with admitted(case.running.url, case.person.token, "/conversations") as raw:
        assert "sid" in await raw.connect(again.token, "/presence")


async def test_a_socket_that_connects_nothing_is_sent_away(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(case.running.node.gateway, "connect_within", 0.1)
    async with raw_socket(case.running.url) as raw:
        await raw.closed()
        assert raw.received == []


async def test_refusals_and_leavings_do_not_put_off_the_end(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(case.running.node.gateway, "connect_within", 0.1)
    async with raw_socket(case.running.url) as raw:
        with pytest.raises(ConnectionClosed):
            for _ in range(100_000):
                await raw.send("1/conversations,")
                await raw.send("0/nowhere,")
                await raw.receive()


async def test_one_that_leaves_every_namespace_is_sent_away_too(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    async with admitted(case.running.url, case.person.token, "/conversations", "/presence") as raw:
        monkeypatch.setattr(case.running.node.gateway, "connect_within", 0.1)
        await raw.send("1/conversations,")
        assert await raw.is_usable("/presence")
        await raw.send("1/presence,")
        await raw.closed()


async def test_one_that_is_connected_stays(case: Case) -> None:
    async with raw_socket(case.running.url) as raw:
        (client,) = case.running.node.gateway.clients
        reaping = client.timer
        assert reaping is not None and not reaping.cancelled()
        await raw.connect(case.person.token)
        assert reaping.cancelled()
        # What comes next is the end of the token.
        assert client.timer is not None and client.timer.when() > reaping.when() + 600
