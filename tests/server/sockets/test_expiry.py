"""A token that runs out in mid-connection: asked for in time, renewed for every namespace, or the end."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed

from domain.times import from_wire
from domain.wire.events import NAMESPACES
from server.security.tokens import LIFETIME
from server.sockets.admission import ASK_BEFORE
from tests.harness.clock import RunningClock
from tests.harness.nodes import RunningNode, running_node
from tests.harness.people import People, Person
from tests.server.sockets.raw import Data, Raw, admitted
from tests.server.sockets.refusals import assert_refused

SHORT = 2.0


@dataclass
class NodeWithClock:
    """A node whose clock can be set ahead, and somebody with a token."""

    running: RunningNode
    people: People
    clock: RunningClock
    person: Person

    def age(self, *, left: float) -> None:
        """Set the clock so far ahead that a token issued just now is good for so many seconds more."""
        self.clock.advance(seconds=LIFETIME.total_seconds() - left)

    async def fresh(self, person: Person | None = None) -> str:
        return (await self.people.another_device(person or self.person)).token


@pytest.fixture
async def ageing(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[NodeWithClock]:
    clock = RunningClock()
    async with running_node(database_url, redis_url, tmp_path, clock) as running:
        people = People(running.node.store, running.node.tokens, clock)
        yield NodeWithClock(running, people, clock, await people.make())


async def refresh(raw: Raw, token: str, namespace: str = "/conversations") -> Data:
    return await raw.ask("auth:refresh", json.dumps({"token": token}), namespace)


async def test_it_is_asked_for_one_minute_before_on_each_namespace(ageing: NodeWithClock) -> None:
    assert timedelta(minutes=1) == ASK_BEFORE
    ageing.age(left=60 + SHORT)
    expires_at = ageing.running.node.tokens.read(ageing.person.token, ageing.clock()).expires_at
    async with admitted(ageing.running.url, ageing.person.token, "/conversations", "/bookings") as raw:
        assert await raw.is_usable()
        assert raw.received == []
        asked = await raw.event("auth:expiring", "/conversations")
        assert from_wire(asked["expiresAt"], "expiresAt") == expires_at
        # Timers of uvloop have whole milliseconds, and may be early by less than one.
        assert timedelta(seconds=45) < expires_at - ageing.clock() < timedelta(seconds=60, milliseconds=1)
        assert await raw.event("auth:expiring", "/bookings") == asked
        assert await raw.is_usable("/bookings")
        assert raw.received == []


async def test_unanswered_it_ends_with_a_reason_on_each_namespace(ageing: NodeWithClock) -> None:
    ageing.age(left=SHORT)
    async with admitted(ageing.running.url, ageing.person.token, *NAMESPACES) as raw:
        await raw.closed()
        said = [packet.partition(",")[2] for packet in raw.received if "auth:expired" in packet]
        assert said == ['["auth:expired",{}]'] * 3
        assert not any("session:revoked" in packet for packet in raw.received)
        assert sum("auth:expiring" in packet for packet in raw.received) == 3


@pytest.mark.parametrize("namespace", NAMESPACES)
async def test_one_answer_renews_all(ageing: NodeWithClock, namespace: str) -> None:
    ageing.age(left=SHORT)
    stale = await ageing.people.make()
    async with (
        admitted(ageing.running.url, ageing.person.token, *NAMESPACES) as raw,
        admitted(ageing.running.url, ageing.person.token) as unanswered,
    ):
        await raw.event("auth:expiring", namespace)
        assert await refresh(raw, await ageing.fresh(), namespace) == {"ok": True, "data": {}}
        raw.received.clear()
        # What was not renewed ends when the token does; by then the renewed one would have, too.
        await unanswered.closed()
        for each in NAMESPACES:
            assert await raw.is_usable(each)
        assert raw.received == []
    assert stale.id != ageing.person.id


async def test_a_renewed_token_is_asked_for_in_its_turn(ageing: NodeWithClock) -> None:
    ageing.age(left=SHORT)
    newer = await ageing.fresh()
    async with admitted(ageing.running.url, ageing.person.token, "/conversations") as raw:
        await raw.event("auth:expiring")
        ageing.age(left=60 + SHORT)
        assert (await refresh(raw, newer))["ok"]
        assert raw.received == []
        asked = await raw.event("auth:expiring")
        newer_end = ageing.running.node.tokens.read(newer, ageing.clock()).expires_at
        assert from_wire(asked["expiresAt"], "expiresAt") == newer_end


async def test_what_does_not_renew(ageing: NodeWithClock) -> None:
    stranger = await ageing.people.make()
    dead = await ageing.people.another_device(ageing.person)
    await ageing.running.node.store.sessions.revoke(ageing.person.id, dead.session_id, "logout", ageing.clock())
    old = ageing.person.token
    ageing.age(left=0)
    current = await ageing.fresh()
    async with admitted(ageing.running.url, current, "/conversations", "/presence") as raw:
        ageing.age(left=SHORT)
        for token, code in (
            (await ageing.fresh(stranger), "forbidden"),
            ("garbage", "unauthenticated"),
            (old, "token_expired"),
            (dead.token, "token_expired"),
        ):
            assert_refused(await refresh(raw, token), {code})
        assert ageing.running.node.registry.users == 1
        assert (await refresh(raw, current))["ok"]
        await raw.closed()
        assert sum("auth:expired" in packet for packet in raw.received) == 2


async def test_a_refused_renewal_takes_nothing_away(ageing: NodeWithClock) -> None:
    """The socket still belongs to the session it was connected with: its end is the socket's."""
    dead = await ageing.people.another_device(ageing.person)
    sessions, registry = ageing.running.node.store.sessions, ageing.running.node.registry
    await sessions.revoke(ageing.person.id, dead.session_id, "logout", ageing.clock())
    async with admitted(ageing.running.url, ageing.person.token) as raw:
        assert_refused(await refresh(raw, dead.token), {"unauthenticated"})
        registry.cut(ageing.person.id, "logout", dead.session_id)
        assert await raw.is_usable()
        registry.cut(ageing.person.id, "logout", ageing.person.session_id)
        assert await raw.event("session:revoked") == {"reason": "logout"}
        await raw.closed()


async def test_a_renewal_moves_the_socket_to_the_new_session(ageing: NodeWithClock) -> None:
    newer = await ageing.people.another_device(ageing.person)
    registry = ageing.running.node.registry
    async with admitted(ageing.running.url, ageing.person.token, "/conversations", "/presence") as raw:
        assert (await refresh(raw, newer.token, "/presence"))["ok"]
        registry.cut(ageing.person.id, "logout", ageing.person.session_id)
        assert await raw.is_usable("/conversations")
        registry.cut(ageing.person.id, "logout", newer.session_id)
        await raw.closed()


async def test_the_namespace_with_the_shortest_token_counts(ageing: NodeWithClock) -> None:
    ageing.age(left=SHORT)
    newer = await ageing.fresh()
    async with admitted(ageing.running.url, newer, "/conversations") as raw:
        assert "sid" in await raw.connect(ageing.person.token, "/presence")
        await raw.event("auth:expiring", "/conversations")
        with pytest.raises(ConnectionClosed):
            await raw.event("nothing", "/presence")


async def test_a_node_keeps_nothing_of_a_socket_that_leaves_in_the_middle_of_it(ageing: NodeWithClock) -> None:
    ageing.age(left=60 + SHORT)
    async with admitted(ageing.running.url, ageing.person.token) as raw:
        await raw.submit(f'["auth:refresh",{json.dumps({"token": await ageing.fresh()})}]')
        await raw.websocket.send("1")
        await raw.closed()
    await ageing.running.node.dispatcher.drain()
    assert ageing.running.node.registry.users == 0
