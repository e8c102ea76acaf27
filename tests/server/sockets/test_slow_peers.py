"""Peers that stop reading, stop answering, come in numbers or leave in numbers: none of them costs the node much."""

from __future__ import annotations

import asyncio
import gc
import os
import socket as tcp
import time
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from domain import rooms
from domain.wire.events import BOOKINGS, CONVERSATIONS, PRESENCE, AuthExpiring
from server.app import SOCKETS_PER_ADDRESS, SOCKETS_PER_USER
from server.engineio.transport import TransportLimits
from server.sockets import gateway
from server.sockets.clients import Client
from tests.harness.light_sockets import Light, open_light, open_sockets
from tests.harness.nodes import RunningNode, running_node
from tests.harness.people import People, Person
from tests.harness.waiting import until

_PAGE = os.sysconf("SC_PAGE_SIZE")
MEGABYTE = 1_000_000


def memory() -> int:
    """What this process, node and test, holds."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE


def client_of(running: RunningNode, person: Person) -> Client:
    (client,) = running.node.registry._of_user[person.id]
    return client


def event(size: int) -> AuthExpiring:
    """Any event, made to a size."""
    return AuthExpiring(expires_at="x" * size)


async def stop_reading(light: Light) -> None:
    """The kernel's buffers fill, and then the node's."""
    assert light.transport is not None
    raw = light.transport.get_extra_info("socket")
    raw.setsockopt(tcp.SOL_SOCKET, tcp.SO_RCVBUF, 4096)
    light.transport.pause_reading()


async def until_empty(running: RunningNode) -> None:
    await until(lambda: not running.node.gateway.eio.sockets)


def assert_forgotten(running: RunningNode) -> None:
    """Nothing of any socket is left anywhere."""
    node = running.node
    eio = node.gateway.eio
    assert node.registry._of_user == {}
    assert node.gateway.environ == {}
    assert not node.gateway._clients
    assert not eio.sockets
    assert not eio._per_network
    assert not eio.transport_state.clogged
    assert not node.room_members
    assert node.rooms._joined == {}
    assert node.rooms._sockets == {}


def test_the_bounds_are_those_promised() -> None:
    limits = TransportLimits()
    assert (limits.buffered_bytes, limits.clogged_seconds) == (1_000_000, 15.0)
    assert gateway.PING_INTERVAL_SECONDS + gateway.PING_TIMEOUT_SECONDS + limits.closing_seconds <= 35


async def test_a_reader_that_stops_reading_costs_little_and_is_cut(running: RunningNode, people: People) -> None:
    person, other = await people.make(), await people.make()
    room = rooms.user(person.id)
    async with (
        open_sockets(running.url, [person.token] * 4) as unreading,
        open_sockets(running.url, [person.token, other.token]) as good,
    ):
        for light in unreading:
            await stop_reading(light)
        before, most, said = memory(), 0, 0
        while running.node.gateway.eio.counters.aborted_slow < len(unreading):
            assert said < 2000
            running.node.publisher.publish(event(20_000), room)
            said += 1
            if said % 50 == 0:
                most = max(most, memory() - before)
            # The good reader keeps up.
            await good[0].until(f'2{CONVERSATIONS},["auth:expiring"')
            good[0].received.clear()
        assert said >= 100  # it was the node's buffer that filled
        assert most < 20 * MEGABYTE
        assert len(running.node.gateway.eio.sockets) == 2
        assert [await light.is_usable() for light in good] == [True, True]
    await until_empty(running)
    assert_forgotten(running)


async def test_a_half_open_connection_is_noticed(
    database_url: str, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway, "PING_INTERVAL_SECONDS", 0.3)
    monkeypatch.setattr(gateway, "PING_TIMEOUT_SECONDS", 0.2)
    async with running_node(database_url, redis_url, tmp_path) as running:
        people = People(running.node.store, running.node.tokens, running.node.context.clock)
        dead, alive = await people.make(), await people.make()
        async with (
            open_sockets(running.url, [dead.token]) as (stalled,),
            open_sockets(running.url, [alive.token]) as (good,),
        ):
            assert stalled.transport is not None
            stalled.transport.pause_reading()
            started = asyncio.get_running_loop().time()
            await until(lambda: dead.id not in running.node.registry._of_user)
            assert asyncio.get_running_loop().time() - started < 5
            assert await good.is_usable()
            assert running.node.room_members.of(CONVERSATIONS, rooms.user(dead.id)) == ()


@asynccontextmanager
async def strict_node(database_url: str, redis_url: str, tmp_path: Path, scale: str) -> AsyncIterator[RunningNode]:
    async with running_node(database_url, redis_url, tmp_path, RATE_LIMIT_SCALE=scale) as running:
        yield running


@pytest.mark.parametrize("scale", ["1", "0.5"])
async def test_one_user_has_so_many_sockets(database_url: str, redis_url: str, tmp_path: Path, scale: str) -> None:
    async with strict_node(database_url, redis_url, tmp_path, scale) as running:
        people = People(running.node.store, running.node.tokens, running.node.context.clock)
        person, other = await people.make(), await people.make()
        most = int(SOCKETS_PER_USER * float(scale))
        async with open_sockets(running.url, [person.token] * most) as lights:
            with pytest.raises(ConnectionRefusedError, match="rate_limited"):
                await open_light(running.url, person.token)
            async with open_sockets(running.url, [other.token]) as (good,):
                assert await good.is_usable()
            lights[0].leave()
            await until(lambda: len(running.node.registry._of_user[person.id]) < most)
            (await open_light(running.url, person.token)).leave()


async def test_one_address_has_so_many_sockets(database_url: str, redis_url: str, tmp_path: Path) -> None:
    async with strict_node(database_url, redis_url, tmp_path, "0.1") as running:
        people = People(running.node.store, running.node.tokens, running.node.context.clock)
        persons = [await people.make() for _ in range(11)]
        most = int(SOCKETS_PER_ADDRESS * 0.1)
        tokens = [person.token for person in persons for _ in range(2)]
        async with open_sockets(running.url, tokens[:most]) as lights:
            with pytest.raises(ConnectionRefusedError, match=r"HTTP/1\.1 429"):
                await open_light(running.url, tokens[-1])
            lights[0].leave()
            await until(lambda: len(running.node.gateway.eio.sockets) < most)
            (await open_light(running.url, tokens[-1])).leave()


@pytest.mark.parametrize("count", [200, pytest.param(500, marks=pytest.mark.verify)])
async def test_leaving_costs_the_same_however_many_leave(running: RunningNode, people: People, count: int) -> None:
    """Twice as many sockets that are in everything leave at about the same cost each, and take their memory along."""
    persons = [await people.make() for _ in range(20)]
    # The larger group first: what the allocator keeps of it has room for the smaller one.
    many = await leave_at_once(running, persons, 2 * count)
    # What goes on beside them makes some hundreds, seldom a thousand, and once the allocator keeps some megabytes of
    # what was freed. A socket that stays has dozens, and its memory, each time.
    most_grown, most_objects = 0.02 * MEGABYTE * count, max(2 * count, 1000)
    for _ in range(3):
        before, objects = memory(), len(gc.get_objects())
        few = await leave_at_once(running, persons, count)
        grown, more_objects = memory() - before, len(gc.get_objects()) - objects
        if grown < most_grown and more_objects < most_objects:
            break
    assert many < 2.5 * few
    assert grown < most_grown
    assert more_objects < most_objects
    assert_forgotten(running)


async def test_a_socket_that_left_is_freed_without_the_collector(running: RunningNode, people: People) -> None:
    """``serve`` lets it run rarely: cycles would keep their memory for a long time."""
    person = await people.make()
    gc.collect()
    gc.disable()
    try:
        async with open_sockets(running.url, [person.token] * 5, CONVERSATIONS, PRESENCE, BOOKINGS) as lights:
            left = [weakref.ref(socket) for socket in running.node.gateway.eio.sockets.values()]
            for light in lights:
                light.leave()
            await until_empty(running)
        await until(lambda: not any(one() for one in left))
    finally:
        gc.enable()


async def leave_at_once(running: RunningNode, persons: list[Person], count: int) -> float:
    """CPU seconds that each socket's leaving took."""
    tokens = [persons[at % len(persons)].token for at in range(count)]
    async with open_sockets(running.url, tokens, CONVERSATIONS, PRESENCE, BOOKINGS) as lights:
        gc.collect()
        started = time.process_time()
        for light in lights:
            light.leave()
        await until_empty(running)
        return (time.process_time() - started) / count


@pytest.mark.parametrize("state", ["paused", "slow"])
async def test_a_revoked_socket_is_closed_whatever_it_is_doing(
    running: RunningNode, people: People, state: str
) -> None:
    person, other = await people.make(), await people.make()
    async with open_sockets(running.url, [person.token, other.token]) as (cut, kept):
        client = client_of(running, person)
        if state == "paused":
            client.hold("flood")
        else:
            await stop_reading(cut)
            while client.socket.buffered < 400_000:
                running.node.publisher.publish(event(20_000), rooms.user(person.id))
                await asyncio.sleep(0)
        running.node.registry.cut(person.id, "logout", person.session_id)
        assert client.socket.closed
        assert person.id not in running.node.registry._of_user
        if state == "paused":
            await cut.until(f'2{CONVERSATIONS},["session:revoked",{{"reason":"logout"}}')
            async with asyncio.timeout(5):
                await cut.gone
        assert await kept.is_usable()
