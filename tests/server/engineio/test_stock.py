"""A plain python-socketio server on top."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import socketio
from aiohttp import web

from tests.server.engineio.harness import text
from tests.server.engineio.stock_engine import StockEngine


class StockServer(socketio.AsyncServer):  # type: ignore[misc]
    """What the gateway does, and no more."""

    def _engineio_server_class(self) -> type[StockEngine]:
        return StockEngine


@pytest.fixture
async def stock() -> AsyncIterator[tuple[StockServer, str]]:
    """The server and its URL."""
    sio = StockServer(ping_interval=5)
    app = web.Application()
    sio.attach(app)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield sio, f"http://127.0.0.1:{runner.addresses[0][1]}"
    await sio.eio.shutdown()
    await runner.cleanup()


async def test_events_acknowledgements_rooms_and_goodbyes(stock: tuple[StockServer, str]) -> None:
    sio, url = stock
    events: list[Any] = []

    async def connect(sid: str, environ: dict[str, Any], auth: Any) -> None:
        await sio.save_session(sid, {"auth": auth})
        await sio.enter_room(sid, "room")

    async def order(sid: str, *arguments: Any) -> Any:
        events.append((await sio.get_session(sid), arguments))
        await sio.emit("echo", arguments, room="room")
        return arguments

    async def disconnect(sid: str, reason: str) -> None:
        events.append(reason)

    sio.on("connect", connect)
    sio.on("order", order)
    sio.on("disconnect", disconnect)
    async with (
        aiohttp.ClientSession() as http,
        http.ws_connect(url + "/socket.io/?EIO=4&transport=websocket") as websocket,
    ):
        await text(websocket)
        await websocket.send_str('40{"token":"t"}')
        assert (await text(websocket)).startswith('40{"sid":')
        await websocket.send_str('421["order",1,"two"]')
        assert await text(websocket) == '42["echo",1,"two"]'
        assert await text(websocket) == '431[1,"two"]'
        await websocket.send_str('452-3["order",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]')
        await websocket.send_bytes(b"\x01")
        await websocket.send_bytes(b"\x02")
        packet = await text(websocket)
        assert packet.startswith('452-["echo",')
        assert [await websocket.receive_bytes(), await websocket.receive_bytes()] == [b"\x01", b"\x02"]
        assert (await text(websocket)).startswith("462-3[")
        assert [await websocket.receive_bytes(), await websocket.receive_bytes()] == [b"\x01", b"\x02"]
        await websocket.send_str("41")
        await websocket.send_str("2")
        assert (await websocket.receive()).type is aiohttp.WSMsgType.CLOSE
    assert events[0] == ({"auth": {"token": "t"}}, (1, "two"))
    assert events[2] == "client disconnect"


async def test_a_server_side_disconnect(stock: tuple[StockServer, str]) -> None:
    sio, url = stock
    async with (
        aiohttp.ClientSession() as http,
        http.ws_connect(url + "/socket.io/?EIO=4&transport=websocket") as websocket,
    ):
        await text(websocket)
        await websocket.send_str("40")
        await text(websocket)
        [eio_sid] = sio.eio.sockets
        assert sio.eio.transport(eio_sid) == "websocket"
        await sio.eio.send(eio_sid, {"a": [1]})
        assert await text(websocket) == '4{"a":[1]}'
        await sio.eio.disconnect(eio_sid)
        assert (await websocket.receive()).type is aiohttp.WSMsgType.CLOSE
        await sio.eio.send(eio_sid, "nobody")
        assert not sio.eio.sockets
