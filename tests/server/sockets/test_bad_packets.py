"""What no client library sends ends the socket at once, is counted, and troubles nobody else."""

from __future__ import annotations

import re

import aiohttp
import pytest

from domain.wire.events import NAMESPACES
from tests.conversations.js_devices import js_devices
from tests.harness.nodes import RunningNode
from tests.harness.people import People
from tests.server.sockets.raw import UNKNOWN_NAMESPACE, raw_socket
from tests.server.sockets.raw_conversation import RawConversation
from tests.server.sockets.refusals import assert_refused

ID = "1" * 17
BAD = (
    *("", "7", "9", "x", "abc", "é", "\x00"),
    # Events that are no arrays, and malformed acknowledgement ids.
    *("2{}", '2"x"', "2", "2null", "2/conversations,", "2/conversations,{}", "2/conversations,7"),
    *('2abc["x",{}]', '2/conversations,1x["x",{}]', '2/conversations,-1["x",{}]', f'2/conversations,{ID}["x",{{}}]'),
    # The server's own packets, and acknowledgements of nothing.
    *('4/conversations,{"message":"x"}', "3/conversations,[]", "3/conversations,1{}", "3", "4"),
    # CONNECT and DISCONNECT with what does not belong there.
    *("0/conversations,[]", '0/conversations,"token"', "0/conversations,7", '0/presence,1{"token":"x"}'),
    *("1/conversations,{}", "1/conversations,1", "1[]"),
    # Binary packets without a count, or with one that no command could need.
    *('5["x",{}]', '5-["x",{}]', '5x-["x",{}]', '511-["x",{}]', '599999999999-["x",{}]', '51-/conversations,{"a":1}'),
    *('5٣-["x",{}]', '61-/conversations,[{"_placeholder":true,"num":0}]', '50-/nowhere,1["x",{}]'),
)


@pytest.mark.parametrize("packet", BAD, ids=[f"{n} {packet[:12]!a}" for n, packet in enumerate(BAD)])
async def test_it_closes_the_socket(unchanged: RawConversation, packet: str) -> None:
    gateway, before = unchanged.running.node.gateway, await unchanged.contents()
    counted = gateway.bad_packets
    async with raw_socket(unchanged.running.url) as raw:
        assert "sid" in await raw.connect(unchanged.client.token)
        await raw.send(packet)
        assert await raw.closed() is not None
        assert raw.received == []
    assert gateway.bad_packets == counted + 1
    assert await unchanged.contents() == before
    await unchanged.assert_nothing_sent()


@pytest.mark.parametrize("frame", ["", "x", "9", "0", "5", "2probe", "7{}"])
async def test_what_is_no_engine_packet_closes_it_too(unchanged: RawConversation, frame: str) -> None:
    engine = unchanged.running.node.gateway.eio
    counted = engine.counters.bad_packets
    async with raw_socket(unchanged.running.url) as raw:
        await raw.connect(unchanged.client.token)
        await raw.websocket.send(frame)
        assert await raw.closed() is not None
    assert engine.counters.bad_packets == counted + 1


async def test_garbage_and_events_before_connect_close_it(unchanged: RawConversation) -> None:
    event = '2/conversations,1["conversation:list",{}]'
    for packet in ("abc", event, "3/conversations,1[]", "61-/presence,1[]", '50-/presence,1["x",{}]'):
        async with raw_socket(unchanged.running.url) as raw:
            await raw.send(packet)
            assert await raw.closed() is not None


async def test_an_event_after_a_refusal_closes_it(unchanged: RawConversation) -> None:
    async with raw_socket(unchanged.running.url) as raw:
        assert "data" in await raw.connect("garbage")
        await raw.submit('["conversation:list",{}]')
        await raw.closed()


async def test_connecting_a_namespace_again_is_leaving_it_and_connecting_it(unchanged: RawConversation) -> None:
    """The official client does so when its ``connect`` is called twice, or ``disconnect`` while it is pending."""
    before = unchanged.running.node.rooms.connections
    async with raw_socket(unchanged.running.url) as raw:
        assert "sid" in await raw.connect(unchanged.client.token, "/presence")
        for _ in range(3):
            await raw.send(f'0/conversations,{{"token":"{unchanged.client.token}"}}')
        first = await raw.answer_to_connect()
        assert await raw.is_usable()
        again = await raw.connect(unchanged.client.token)
        assert again["sid"] != first["sid"]
        assert await raw.is_usable()
        assert raw.received == []
        assert unchanged.running.node.rooms.connections == before + 2
        # As whoever the later token says: the socket is another's still.
        assert (await raw.connect(unchanged.trainer.token))["data"]["code"] == "forbidden"
        assert_refused(await raw.ask("conversation:list", "{}"), {"unauthenticated"})
        assert await raw.is_usable("/presence")


async def test_what_a_namespace_was_connected_as_goes_on_until_it_is_connected_again(
    unchanged: RawConversation,
) -> None:
    """The client's program has been told that it is connected, and goes on while the second CONNECT is looked at."""
    before = unchanged.running.node.rooms.connections
    async with raw_socket(unchanged.running.url) as raw:
        first = await raw.connect(unchanged.client.token)
        await raw.send(f'0/conversations,{{"token":"{unchanged.client.token}"}}')
        assert (await raw.ask("conversation:unread", "{}"))["ok"]
        if not (answers := [packet for packet in raw.received if packet.startswith("0/conversations,")]):
            answers = [await raw.until("0/conversations,")]
        assert first["sid"] not in answers[0]
        assert await raw.is_usable()
        assert unchanged.running.node.rooms.connections == before + 1
        # It ends with an attempt that fails.
        await raw.send('0/conversations,{"token":"garbage"}')
        assert (await raw.answer_to_connect())["data"]["code"] == "unauthenticated"
        assert unchanged.running.node.rooms.connections == before


@pytest.mark.parametrize("transports", [("polling",), ("websocket",), ("polling", "websocket")])
async def test_the_official_client_may_call_connect_twice(
    unchanged: RawConversation, transports: tuple[str, ...]
) -> None:
    async with js_devices() as devices:
        phone = await devices.connect(unchanged.running.url, unchanged.client, transports, "/presence")
        # It connects by itself, and a second time because it is told to.
        other = await devices.join(phone, unchanged.client, "/conversations", calls=2)
        assert (await other.ask({}, "conversation:unread"))["ok"]
        assert (await phone.ask({"userIds": [unchanged.client.id]}, "presence:unwatch"))["ok"]
        assert phone.events("disconnect") == other.events("disconnect") == []


async def test_an_unknown_namespace_is_refused_as_by_the_javascript_server_and_with_a_code(
    unchanged: RawConversation,
) -> None:
    async with raw_socket(unchanged.running.url) as raw:
        for packet, namespace in (("0/nowhere,", "/nowhere"), ("0/nowhere", "/nowhere"), ('0/x,{"token":"y"}', "/x")):
            await raw.send(packet)
            assert await raw.receive() == UNKNOWN_NAMESPACE.format(f"{namespace},")
        await raw.send("0")
        assert await raw.receive() == UNKNOWN_NAMESPACE.format("")
        assert "sid" in await raw.connect(unchanged.client.token)
        assert await raw.is_usable()


@pytest.mark.parametrize("transport", ["polling", "websocket"])
async def test_the_official_client_is_told_the_code_of_an_unknown_namespace(
    unchanged: RawConversation, transport: str
) -> None:
    async with js_devices() as devices:
        with pytest.raises(ConnectionError, match=r"^not_found$"):
            await devices.connect(unchanged.running.url, unchanged.client, (transport,), "/nowhere")


async def test_leaving_a_namespace_leaves_the_others(unchanged: RawConversation) -> None:
    async with raw_socket(unchanged.running.url) as raw:
        for namespace in NAMESPACES:
            await raw.connect(unchanged.client.token, namespace)
        await raw.send("1/conversations,")
        assert await raw.is_usable("/presence")
        assert_refused(await raw.ask("conversation:list", "{}"), {"unauthenticated"})
        assert "sid" in await raw.connect(unchanged.client.token)
        assert (await raw.ask("conversation:list", "{}"))["ok"]


async def test_bad_packets_show_in_the_metrics(running: RunningNode, people: People) -> None:
    person = await people.make()
    for packet in ("abc", "42{}"):
        async with raw_socket(running.url) as raw:
            await raw.connect(person.token)
            await raw.send(packet)
            await raw.closed()
    async with aiohttp.ClientSession() as http, http.get(f"{running.url}/metrics") as response:
        found = re.search(r"^spotter_bad_packets_total (\S+)$", await response.text(), re.MULTILINE)
    assert found and float(found[1]) == 2


async def test_acknowledgements_are_not_asked_for_and_ignored(unchanged: RawConversation) -> None:
    async with raw_socket(unchanged.running.url) as raw:
        await raw.connect(unchanged.client.token)
        await raw.send('3/conversations,1[{"ok":true}]')
        assert await raw.is_usable()


async def test_the_longest_message_that_is_announced_is_taken(unchanged: RawConversation) -> None:
    async with raw_socket(unchanged.running.url) as raw:
        await raw.connect(unchanged.client.token)
        start = '2/conversations,1["nonsense","'
        room = 1_000_000 - len("4" + start + '"]')
        await raw.send(start + "x" * room + '"]')
        assert (await raw.until("3/conversations,1")).startswith('[{"ok":false')
