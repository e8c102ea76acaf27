"""Each kind of revocation cuts the sockets concerned on every node, and no others, with Redis or without."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from domain.wire.events import BOOKINGS, CONVERSATIONS, PRESENCE
from handlers.accounts.sessions import end
from tests.harness.light_sockets import all_gone, open_sockets
from tests.together.revocation_nodes import DEAD_REDIS, WITHIN_SECONDS, Fleet, fleet
from tests.together.session_ends import ENDS_OF_ALL_SESSIONS, ENDS_OF_ONE_SESSION, Act


@pytest.fixture(params=["redis", "no redis"])
async def together(
    request: pytest.FixtureRequest, database_url: str, redis_url: str, tmp_path: Path
) -> AsyncIterator[Fleet]:
    async with fleet(database_url, redis_url if request.param == "redis" else DEAD_REDIS, tmp_path) as made:
        yield made




@pytest.mark.parametrize(("act", "reason"), ENDS_OF_ONE_SESSION)
async def test_one_session_ends_on_every_node(together: Fleet, act: Act, reason: str) -> None:
    here, there = (running.url for running in together.nodes)
    person, other = await together.person(), await together.person()
    tokens = await together.login(person)
    kept = [person.token, other.token]
    async with (
        open_sockets(here, [tokens["accessToken"]], CONVERSATIONS, PRESENCE, BOOKINGS) as cut_here,
        open_sockets(there, [tokens["accessToken"]] * 2, CONVERSATIONS, BOOKINGS) as cut_there,
        open_sockets(here, kept) as kept_here,
        open_sockets(there, kept) as kept_there,
    ):
        await act(together, person, tokens)
        await all_gone([*cut_here, *cut_there], WITHIN_SECONDS)
        assert cut_here[0].told("session:revoked") == [{"reason": reason}] * 3
        assert [light.told("session:revoked") for light in cut_there] == [[{"reason": reason}] * 2] * 2
        for light in (*kept_here, *kept_there):
            assert await light.is_usable()
            assert light.told("session:revoked") == []


@pytest.mark.parametrize(("act", "reason"), ENDS_OF_ALL_SESSIONS)
async def test_all_sessions_of_a_user_end_on_every_node(together: Fleet, act: Act, reason: str) -> None:
    here, there = (running.url for running in together.nodes)
    person, other = await together.person(), await together.person()
    tokens = await together.login(person)
    ended = [tokens["accessToken"], person.token]
    async with (
        open_sockets(here, ended) as cut_here,
        open_sockets(there, ended) as cut_there,
        open_sockets(here, [other.token]) as kept_here,
        open_sockets(there, [other.token]) as kept_there,
    ):
        await act(together, person, tokens)
        await all_gone([*cut_here, *cut_there], WITHIN_SECONDS)
        for light in (*cut_here, *cut_there):
            assert light.told("session:revoked") == [{"reason": reason}]
        for light in (*kept_here, *kept_there):
            assert await light.is_usable()


@pytest.mark.parametrize(
    "count", [150, pytest.param(400, marks=pytest.mark.verify), pytest.param(2000, marks=pytest.mark.soak)]
)
async def test_many_at_once(database_url: str, tmp_path: Path, count: int) -> None:
    """Sessions of a few people, on two nodes; nobody who was not meant is cut, everybody else in time."""
    async with fleet(database_url, DEAD_REDIS, tmp_path) as together:
        persons = [await together.people.make() for _ in range(20)]
        devices = [await together.people.another_device(persons[at % 20]) for at in range(count)]
        node = together.nodes[0].node
        tokens = [device.token for device in devices]
        async with (
            open_sockets(together.nodes[0].url, tokens[: count // 2]) as here,
            open_sockets(together.nodes[1].url, tokens[count // 2 :]) as there,
            open_sockets(together.nodes[1].url, [person.token for person in persons]) as kept,
        ):
            await asyncio.gather(
                *(end(node.context, one.id, one.session_id, "logout", node.context.now()) for one in devices)
            )
            await all_gone([*here, *there], WITHIN_SECONDS)
            assert all(light.told("session:revoked") == [{"reason": "logout"}] for light in there)
            assert all(await asyncio.gather(*(light.is_usable() for light in kept)))


async def test_a_socket_in_the_middle_of_its_upgrade(database_url: str, tmp_path: Path) -> None:
    async with fleet(database_url, DEAD_REDIS, tmp_path) as together:
        person, running = await together.people.make(), together.nodes[1]
        polling = f"{running.url}/socket.io/?EIO=4&transport=polling"
        async with together.http.get(polling) as answer:
            sid = json.loads((await answer.text())[1:])["sid"]
        connect = f"40{CONVERSATIONS}," + json.dumps({"token": person.token})
        async with together.http.post(f"{polling}&sid={sid}", data=connect) as answer:
            assert answer.status == 200
        async with together.http.get(f"{polling}&sid={sid}") as answer:
            assert (await answer.text()).startswith(f"40{CONVERSATIONS},")
        address = f"{running.url}/socket.io/?EIO=4&transport=websocket&sid={sid}"
        async with together.http.ws_connect(address) as websocket:
            await websocket.send_str("2probe")
            assert await websocket.receive_str() == "3probe"
            assert (await together.post(0, "/auth/logout", token=person.token)).status == 204
            async with asyncio.timeout(WITHIN_SECONDS):
                assert (await websocket.receive()).type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)
            # Back to polling, as clients do, it finds what it was told.
            async with together.http.get(f"{polling}&sid={sid}") as answer:
                assert f'42{CONVERSATIONS},["session:revoked",{{"reason":"logout"}}]' in await answer.text()
            assert len(running.node.gateway.eio.sockets) == 0
            assert running.node.registry.users == 0
