"""A frame that is too large is told before the close, with a reason that the official JavaScript client can read."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from server.sockets.gateway import MAX_PAYLOAD_BYTES
from tests.conversations.js_devices import JsDevices, js_devices
from tests.harness.nodes import RunningNode
from tests.harness.people import People
from tests.server.sockets.raw import raw_socket

TOLD = {
    "code": "payload_too_large",
    "message": f"A message has at most {MAX_PAYLOAD_BYTES} bytes; the connection is closed.",
}


@pytest.fixture
async def devices() -> AsyncIterator[JsDevices]:
    async with js_devices() as made:
        yield made


@pytest.mark.parametrize("transports", [("websocket",), ("polling",), ("polling", "websocket")], ids="+".join)
async def test_it_is_told(
    running: RunningNode, people: People, devices: JsDevices, transports: tuple[str, ...]
) -> None:
    phone = await devices.connect(running.url, await people.make(), transports)
    await phone.tell("message:send", {"text": "x" * (MAX_PAYLOAD_BYTES + 1)})
    (gone,) = await phone.receive("disconnect")
    assert phone.events("connection:error") == [TOLD]
    if transports == ("websocket",):
        assert (gone["code"], gone["why"]) == (1009, "payload_too_large")
    assert not running.node.gateway.eio.sockets


async def test_what_is_not_admitted_yet_is_told_by_the_close(running: RunningNode) -> None:
    async with raw_socket(running.url) as raw:
        await raw.send("x" * MAX_PAYLOAD_BYTES)
        assert await raw.closed() == 1009
        assert raw.websocket.close_reason == "payload_too_large"
