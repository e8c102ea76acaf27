"""How much one user, one address, one socket may ask, and that nobody else notices."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from websockets.exceptions import InvalidStatus

from domain.wire.events import BOOKINGS
from server.app import utc_now
from server.sockets import admission, dispatcher
from server.sockets.namespaces import NAMESPACES
from server.sockets.rows import ORDINARY, Rate
from store.database import Database
from tests.conversations.js_devices import js_devices
from tests.harness.databases import profiled
from tests.harness.nodes import RunningNode, running_node
from tests.harness.people import People
from tests.harness.waiting import until
from tests.server.sockets.raw import Data, Raw, admitted, raw_socket
from tests.server.sockets.refusals import assert_refused

HERE, THERE = "203.0.113.1", "203.0.113.2"


class Time:
    """Stands still but for what a test lets pass, so that no bucket fills again while a busy machine is slow."""

    def __init__(self) -> None:
        self.now = 1024.0
        # What passes between two looks at it.
        self.step = 0.0

    def __call__(self) -> float:
        self.now += self.step
        return self.now


@dataclass
class Limited:
    """A node with the limits of production, or a multiple, behind a proxy."""

    running: RunningNode
    people: People
    time: Time

    @property
    def url(self) -> str:
        return self.running.url


async def serve(scale: str, mongo: str, redis: str, data: Path) -> AsyncIterator[Limited]:
    async with running_node(mongo, redis, data, RATE_LIMIT_SCALE=scale, TRUSTED_PROXIES="1") as running:
        running.node.dispatcher._buckets._clock = time = Time()
        yield Limited(running, People(running.node.store, running.node.tokens, utc_now), time)


@pytest.fixture
async def limited(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Limited]:
    async for made in serve("1", database_url, redis_url, tmp_path):
        yield made


@pytest.fixture
async def narrow(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Limited]:
    """A tenth: two sockets a user, twenty an address."""
    async for made in serve("0.1", database_url, redis_url, tmp_path):
        yield made


async def answers(raw: Raw, event: str, count: int) -> list[Data]:
    ids = [await raw.submit(f'["{event}",{{}}]') for _ in range(count)]
    return [await raw.answer_to(ack_id) for ack_id in ids]


def ok(found: list[Data]) -> int:
    return sum(answer["ok"] for answer in found)


async def test_of_one_user_and_event(limited: Limited) -> None:
    person, other = await limited.people.make(), await limited.people.make()
    same = await limited.people.another_device(person)
    async with (
        admitted(limited.url, person.token) as raw,
        admitted(limited.url, same.token) as second,
        admitted(limited.url, other.token) as bystander,
    ):
        found = await answers(raw, "conversation:list", 60)
        assert ok(found[: ORDINARY.burst]) == ok(found) == ORDINARY.burst
        assert_refused(found[-1], {"rate_limited"})
        assert found[-1]["error"]["retryAfterMs"] == 1000 / ORDINARY.per_second
        # Every device of the user is meant, but no other event, and nobody else.
        assert_refused((await answers(second, "conversation:list", 1))[0], {"rate_limited"})
        assert (await raw.ask("sync", '{"cursors":{}}'))["ok"]
        assert ok(await answers(bystander, "conversation:list", 10)) == 10
        # What it says is what it takes.
        limited.time.now += 1 / ORDINARY.per_second + 0.001
        assert ok(await answers(raw, "conversation:list", 2)) == 1


async def test_what_costs_more_comes_more_rarely(limited: Limited) -> None:
    """The slots of the largest schedule take twenty milliseconds."""
    person = await limited.people.make()
    async with raw_socket(limited.url) as raw:
        await raw.connect(person.token, BOOKINGS)
        ids = [await raw.submit('["slots:watch",{}]', BOOKINGS) for _ in range(25)]
        codes = [(await raw.answer_to(ack_id, BOOKINGS))["error"]["code"] for ack_id in ids]
    assert codes == ["validation_failed"] * 20 + ["rate_limited"] * 5


@pytest.mark.parametrize("transports", [("websocket",), ("polling",)], ids="+".join)
async def test_a_burst_over_the_limit_keeps_its_order(
    limited: Limited, transports: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is room again before all of it has arrived: what was refused is not passed by what was sent behind it."""
    rate, count = Rate(20, 100), 160
    client, _, conversation = await limited.people.pair()
    node = limited.running.node
    arrived, dispatch = 0, node.dispatcher.dispatch

    def late(*arrival: Any) -> None:
        nonlocal arrived
        arrived += 1
        # As if the rest of the burst came over a slow link.
        limited.time.now += 1.0 if arrived == rate.burst + 10 else 0.0
        dispatch(*arrival)

    monkeypatch.setattr(node.dispatcher, "dispatch", late)
    async with js_devices() as devices:
        phone = await devices.connect(limited.url, client, transports)

        async def send(numbers: Sequence[int]) -> list[int]:
            """All at once; answers which were refused."""
            answers = await asyncio.gather(*(phone.ask(message(number)) for number in numbers))
            return [n for n, answer in zip(numbers, answers, strict=True) if not answer["ok"]]

        def message(number: int) -> Data:
            return {"conversationId": conversation, "clientMessageId": f"m{number}", "text": str(number)}

        refused = await send(range(count))
        assert refused == [*range(rate.burst, count)]
        while refused:
            limited.time.now += 1.0
            refused = await send(refused)
        told = await phone.receive("message:new", count)
        assert [event["message"]["text"] for event in told] == [str(number) for number in range(count)]


async def test_a_refused_event_is_taken_again_once_the_client_knows(limited: Limited) -> None:
    person = await limited.people.make()
    async with admitted(limited.url, person.token) as raw:
        first = await answers(raw, "conversation:list", ORDINARY.burst + 1)
        limited.time.now += 10
        # It has read the refusal, and with it the ping to which its answer is on its way.
        await raw.is_usable()
        assert [answer["ok"] for answer in first[-2:]] == [True, False]
        assert ok(await answers(raw, "conversation:list", 5)) == 5


async def test_what_is_published_is_what_holds(narrow: Limited) -> None:
    person = await narrow.people.make()
    async with aiohttp.ClientSession() as http, http.get(f"{narrow.url}/v1/limits") as answer:
        said = (await answer.json())["sockets"]
    events = {(one["namespace"], one["event"]): one for one in said["events"]}
    rows = {(namespace, row.event) for namespace, ours in NAMESPACES.items() for row in ours}
    assert set(events) == rows | {(namespace, "auth:refresh") for namespace in NAMESPACES}
    one = events["/conversations", "conversation:list"]
    assert one["rate"] == {"by": "user", "perSecond": 1, "burst": 4}
    assert one["fields"]["limit"] == {"minimum": 1, "maximum": 100}
    assert events["/conversations", "message:send"]["fields"]["text"] == {"maxLength": 4000}
    assert {bound["name"]: bound["most"] for bound in said["bounds"]}["socketsOfUser"] == 2
    assert said["rates"]["connects"] == {"by": "network", "perSecond": 5, "burst": 100}
    async with admitted(narrow.url, person.token) as raw:
        found = await answers(raw, "conversation:list", one["rate"]["burst"] + 1)
        assert ok(found) == one["rate"]["burst"]
        assert found[-1]["error"]["message"] == "Too many requests; try again in 1 second."


async def test_what_is_wrong_counts_as_well(limited: Limited) -> None:
    person = await limited.people.make()
    async with admitted(limited.url, person.token) as raw:
        ids = [await raw.submit('["message:edit",{"$ne":null}]') for _ in range(60)]
        codes = [(await raw.answer_to(ack_id))["error"]["code"] for ack_id in ids]
        assert set(codes) == {"validation_failed", "rate_limited"}


async def test_a_scale_multiplies(narrow: Limited) -> None:
    person = await narrow.people.make()
    async with admitted(narrow.url, person.token) as raw:
        found = await answers(raw, "conversation:list", 20)
        assert ok(found) == ORDINARY.burst / 10
        assert found[-1]["error"]["retryAfterMs"] == 10_000 / ORDINARY.per_second


async def test_of_one_address(limited: Limited, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatcher, "OF_NETWORK", Rate(0.1, 20))
    async with AsyncExitStack() as stack:
        peers = [
            await stack.enter_async_context(
                admitted(limited.url, (await limited.people.make()).token, address=f"198.51.100.9, {HERE}")
            )
            for _ in range(4)
        ]
        stranger = (await limited.people.make()).token
        elsewhere = await stack.enter_async_context(admitted(limited.url, stranger, address=THERE))
        found = [answer for raw in peers for answer in await answers(raw, "conversation:list", 10)]
        assert ok(found) == 20
        assert_refused(found[-1], {"rate_limited"})
        assert ok(await answers(elsewhere, "conversation:list", 10)) == 10


async def test_sockets_of_one_user(narrow: Limited) -> None:
    person, other = await narrow.people.make(), await narrow.people.make()
    async with admitted(narrow.url, person.token) as first, raw_socket(narrow.url) as third:
        async with admitted(narrow.url, person.token):
            refusal = await third.connect(person.token)
            assert refusal["data"] == {"code": "rate_limited", "retryAfterMs": 10_000}
            # One more namespace is not one more socket.
            assert "sid" in await first.connect(person.token, "/presence")
            async with admitted(narrow.url, other.token) as bystander:
                assert await bystander.is_usable()
        assert "sid" in await third.connect(person.token)


async def test_sockets_that_are_refused_take_no_place(narrow: Limited) -> None:
    person = await narrow.people.make()
    ended = await narrow.people.another_device(person)
    await narrow.running.node.store.sessions.revoke(person.id, ended.session_id, "logout", utc_now())
    async with AsyncExitStack() as stack:
        for _ in range(5):
            raw = await stack.enter_async_context(raw_socket(narrow.url))
            assert (await raw.connect(ended.token))["data"] == {"code": "unauthenticated"}
        for _ in range(2):
            await stack.enter_async_context(admitted(narrow.url, person.token))


async def test_sockets_of_one_address(narrow: Limited) -> None:
    polling = f"{narrow.url}/socket.io/?EIO=4&transport=polling"
    async with AsyncExitStack() as stack, aiohttp.ClientSession() as http:
        for _ in range(19):
            await stack.enter_async_context(raw_socket(narrow.url, HERE))
        async with raw_socket(narrow.url, HERE), raw_socket(narrow.url, THERE):
            with pytest.raises(InvalidStatus) as refused:
                await stack.enter_async_context(raw_socket(narrow.url, HERE))
            assert refused.value.response.status_code == 429
            assert refused.value.response.headers["Retry-After"] == "10"
            async with http.get(polling, headers={"X-Forwarded-For": f"192.0.2.1, {HERE}"}) as response:
                assert response.status == 429
        async with raw_socket(narrow.url, HERE):
            pass


async def test_sockets_of_one_ipv6_network(narrow: Limited) -> None:
    """Whoever has a /64 has all of its addresses."""
    async with AsyncExitStack() as stack:
        for number in range(20):
            await stack.enter_async_context(raw_socket(narrow.url, f"2001:db8:1:1::{number:x}"))
        with pytest.raises(InvalidStatus) as refused:
            await stack.enter_async_context(raw_socket(narrow.url, "2001:db8:1:1:2:3:4:5"))
        assert refused.value.response.status_code == 429
        await stack.enter_async_context(raw_socket(narrow.url, "2001:db8:1:2::1"))
    engine = narrow.running.node.gateway.eio
    await until(lambda: not engine._per_network)


async def test_commands_of_one_ipv6_network(limited: Limited, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatcher, "OF_NETWORK", Rate(0.1, 15))
    people = [await limited.people.make() for _ in range(2)]
    async with (
        admitted(limited.url, people[0].token, address="2001:db8:1:1::1") as raw,
        admitted(limited.url, people[1].token, address="2001:db8:1:1::2") as peer,
    ):
        assert ok(await answers(raw, "conversation:list", 10)) == 10
        assert ok(await answers(peer, "conversation:list", 10)) == 5


async def test_connects_of_one_address(limited: Limited, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "CONNECTS", Rate(0.1, 5))
    person = await limited.people.make()
    async with raw_socket(limited.url, HERE) as raw, raw_socket(limited.url, THERE) as other:
        for _ in range(5):
            assert "sid" in await raw.connect(person.token)
            await raw.send("1/conversations,")
        assert (await raw.connect(person.token))["data"] == {"code": "rate_limited", "retryAfterMs": 10_000}
        assert "sid" in await other.connect(person.token)


async def test_a_flood_of_bad_tokens_costs_no_read_and_keeps_no_good_one_out(
    limited: Limited, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "FAILED_TOKENS", Rate(0.1, 60))
    owner, elsewhere = await limited.people.make(), await limited.people.make()
    bad = owner.token[:-4] + "AAAA"
    async with AsyncExitStack() as stack:
        flood = [await stack.enter_async_context(raw_socket(limited.url, HERE)) for _ in range(4)]
        async with profiled(database, owner.token) as reads:
            refusals = [(await raw.connect(bad))["data"] for _ in range(20) for raw in flood]
            assert [refusal["code"] for refusal in refusals] == ["unauthenticated"] * 60 + ["rate_limited"] * 20
            assert refusals[-1]["retryAfterMs"] == 10_000
            assert (await flood[0].connect(bad, "/nowhere"))["data"]["code"] == "rate_limited"
            assert await reads() == []
            # A neighbour of the flood whose token is good, and one who renews it.
            raw = await stack.enter_async_context(admitted(limited.url, owner.token, address=HERE))
            assert len(await reads()) >= 2
        renewed = await limited.people.another_device(owner)
        assert (await raw.ask("auth:refresh", json.dumps({"token": renewed.token})))["ok"]
        await stack.enter_async_context(admitted(limited.url, elsewhere.token, address=THERE))
        assert (await (await stack.enter_async_context(raw_socket(limited.url, THERE))).connect(bad))["data"] == {
            "code": "unauthenticated"
        }


async def test_a_session_that_ended_is_refused_by_itself(limited: Limited, database: Database) -> None:
    person = await limited.people.make()
    ended = await limited.people.another_device(person)
    await limited.running.node.store.sessions.revoke(person.id, ended.session_id, "logout", utc_now())
    async with raw_socket(limited.url, HERE) as raw, raw_socket(limited.url, THERE) as other:
        for _ in range(60):
            assert (await raw.connect(ended.token))["data"] == {"code": "unauthenticated"}
        async with profiled(database, ended.token) as reads:
            for socket in (raw, other):
                assert (await socket.connect(ended.token))["data"] == {"code": "rate_limited", "retryAfterMs": 1000}
            assert await reads() == []
        assert "sid" in await raw.connect(person.token)


FLOODS = ('2/conversations,["nonsense",{}]', '50-/conversations,["x"]', '2/presence,["x",{}]')


@pytest.mark.parametrize("packet", FLOODS)
async def test_a_flood_is_read_slowly_and_troubles_nobody(limited: Limited, packet: str) -> None:
    """Each of them must be refused, and refusing costs something: who goes on and on is not read for a while."""
    person, other = await limited.people.make(), await limited.people.make()
    outcomes = limited.running.node.dispatcher.outcomes
    async with admitted(limited.url, person.token) as raw, admitted(limited.url, other.token) as bystander:
        flood = asyncio.create_task(many(raw, packet))
        await until(lambda: outcomes["?", "rate_limited"] >= dispatcher.MAX_OVER_LIMIT)
        before = sum(outcomes.values())
        for _ in range(20):
            assert await bystander.is_usable()
        assert sum(outcomes.values()) - before < 20 + 2 * dispatcher.MAX_OVER_LIMIT
        flood.cancel()
        raw.websocket.transport.abort()


async def many(raw: Raw, packet: str) -> None:
    for _ in range(100_000):
        await raw.send(packet)
