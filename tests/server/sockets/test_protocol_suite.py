"""The official Socket.IO v5 suite's cases on the namespaces that there are.

The suite wants an echo on ``/`` and ``/custom``. Here ``/`` is not served, a namespace asks for a token, events are
commands, and none takes binary data; whatever else a case says of packets holds as it stands.
"""

from __future__ import annotations

import json

import pytest

from domain.wire.events import CONVERSATIONS, PRESENCE
from tests.server.sockets.raw import UNKNOWN_NAMESPACE, raw_socket
from tests.server.sockets.raw_conversation import RawConversation


@pytest.mark.parametrize("packet", ["0", '0{"token":"x"}'])
async def test_the_main_namespace_is_none_of_ours(unchanged: RawConversation, packet: str) -> None:
    async with raw_socket(unchanged.running.url) as raw:
        await raw.send(packet)
        assert await raw.receive() == UNKNOWN_NAMESPACE.format("")


@pytest.mark.parametrize("packet", ["0/random", "0/random,", '0/random,{"token":"x"}'])
async def test_an_unknown_namespace(unchanged: RawConversation, packet: str) -> None:
    async with raw_socket(unchanged.running.url) as raw:
        await raw.send(packet)
        assert await raw.receive() == UNKNOWN_NAMESPACE.format("/random,")


async def test_a_connection_is_answered_with_its_id_alone(unchanged: RawConversation) -> None:
    async with raw_socket(unchanged.running.url) as raw:
        await raw.send(f"0{CONVERSATIONS}," + json.dumps({"token": unchanged.client.token}))
        answer = await raw.receive()
        assert answer.startswith(f"0{CONVERSATIONS},")
        assert json.loads(answer.partition(",")[2]).keys() == {"sid"}


@pytest.mark.parametrize("packet", [f"0{CONVERSATIONS}", f"0{CONVERSATIONS},"])
async def test_a_connection_without_a_payload(unchanged: RawConversation, packet: str) -> None:
    async with raw_socket(unchanged.running.url) as raw:
        await raw.send(packet)
        refused = json.loads((await raw.receive()).removeprefix(f"4{CONVERSATIONS},"))
        assert refused["data"]["code"] == "unauthenticated"


async def test_something_else_in_its_place(unchanged: RawConversation) -> None:
    async with raw_socket(unchanged.running.url) as raw:
        await raw.websocket.send("4abc")
        assert await raw.closed() is not None


@pytest.mark.parametrize("left", [CONVERSATIONS, PRESENCE])
async def test_leaving_one_namespace_the_other_works_on(unchanged: RawConversation, left: str) -> None:
    stays = PRESENCE if left == CONVERSATIONS else CONVERSATIONS
    async with raw_socket(unchanged.running.url) as raw:
        for namespace in (CONVERSATIONS, PRESENCE):
            assert "sid" in await raw.connect(unchanged.client.token, namespace)
        await raw.send(f"1{left},")
        assert await raw.is_usable(stays)
        # And it can be connected again.
        assert "sid" in await raw.connect(unchanged.client.token, left)


async def test_an_event_and_its_acknowledgement(unchanged: RawConversation) -> None:
    async with raw_socket(unchanged.running.url) as raw:
        await raw.connect(unchanged.client.token)
        await raw.send(f'2{CONVERSATIONS},["no:such:event",1,"2",{{"3":[true]}}]')
        await raw.send(f'2{CONVERSATIONS},456["no:such:event",1,"2",{{"3":[false]}}]')
        assert (await raw.receive()).startswith(f'3{CONVERSATIONS},456[{{"ok":false')


@pytest.mark.parametrize("attachments", [1, 3])
async def test_binary_data_is_refused_by_the_acknowledgement(unchanged: RawConversation, attachments: int) -> None:
    places = ",".join(f'{{"_placeholder":true,"num":{number}}}' for number in range(attachments))
    async with raw_socket(unchanged.running.url) as raw:
        await raw.connect(unchanged.client.token)
        await raw.send(f'5{attachments}-{CONVERSATIONS},789["message:send",{places}]')
        for number in range(attachments):
            await raw.websocket.send(bytes([number]))
        assert (await raw.receive()).startswith(f'3{CONVERSATIONS},789[{{"ok":false')


@pytest.mark.parametrize(
    "packet", ["abc", "2{}", f"2{CONVERSATIONS},{{}}", '2abc["message:send"]', f'2{CONVERSATIONS},abc["message:send"]']
)
async def test_what_is_invalid_closes_at_once(unchanged: RawConversation, packet: str) -> None:
    """Long before the ping time-out, which does not count."""
    async with raw_socket(unchanged.running.url) as raw:
        await raw.connect(unchanged.client.token)
        await raw.send(packet)
        assert await raw.closed() is not None


async def test_what_the_library_sends_to_its_own_rooms_is_refused_and_not_lost(unchanged: RawConversation) -> None:
    with pytest.raises(RuntimeError, match="published"):
        await unchanged.running.node.gateway.emit("message:new", {}, namespace=CONVERSATIONS)
