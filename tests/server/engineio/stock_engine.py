"""Our Engine.IO server under a plain python-socketio server, whose handlers are coroutines."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from typing import Any, Final

from aiohttp import web
from engineio import packet

from server.engineio import EngineServer, EngineSocket, close_reasons
from server.engineio.refusals import Refusal
from server.protocol import frames

_Event = tuple[str, str | bytes]

_FULL: Final = 64


class StockEvents:
    """Runs the registered handlers of each client one after the other, and stops reading when they lag behind."""

    __slots__ = ("_engine", "_queues", "_tasks")

    def __init__(self, engine: StockEngine) -> None:
        self._engine = engine
        self._queues: dict[EngineSocket, deque[_Event]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def opened(self, socket: EngineSocket) -> None:
        """python-socketio learns of a client from the ``connect`` event alone."""

    def message(self, socket: EngineSocket, data: str | bytes) -> None:
        """Queue a ``message`` event."""
        self._put(socket, ("message", data))

    def closed(self, socket: EngineSocket, reason: str) -> None:
        """Queue the ``disconnect`` event, after the messages before it."""
        self._put(socket, ("disconnect", reason))

    def _put(self, socket: EngineSocket, event: _Event) -> None:
        queue = self._queues.get(socket)
        if queue is not None:
            queue.append(event)
            if len(queue) >= _FULL and not socket.paused:
                socket.pause()
            return
        self._queues[socket] = deque((event,))
        task = asyncio.create_task(self._run(socket))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, socket: EngineSocket) -> None:
        queue = self._queues[socket]
        while queue:
            event, data = queue.popleft()
            await self._engine.trigger(event, socket.sid, data)
            if socket.paused and len(queue) < _FULL // 2:
                socket.resume()
        del self._queues[socket]


def describe(request: web.Request, remote_address: str) -> dict[str, object]:
    """The request without any reference to it, since python-socketio keeps this as long as the client stays."""
    environ: dict[str, object] = {
        "REQUEST_METHOD": request.method,
        "PATH_INFO": request.path,
        "QUERY_STRING": request.query_string,
        "REMOTE_ADDR": remote_address,
        "wsgi.url_scheme": request.scheme,
    }
    for name, value in request.headers.items():
        key = "HTTP_" + name.upper().replace("-", "_")
        known = environ.get(key)
        environ[key] = value if known is None else f"{known},{value}"
    return environ


class StockEngine(EngineServer):
    """Has what python-socketio calls, and calls its handlers, the connect handler before a session is answered."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._stock = StockEvents(self)
        self.on_open, self.on_message, self.on_close = self._stock.opened, self._stock.message, self._stock.closed

    async def before_open(self, socket: EngineSocket, request: web.Request) -> None:
        if "connect" not in self.handlers:
            return
        verdict = await self.trigger("connect", socket.sid, describe(request, socket.remote_address))
        if (verdict is not None and verdict is not True) or socket.closed:
            raise Refusal(401, 4, "Unauthorized")

    def forget(self, socket: EngineSocket, reason: str) -> None:
        if socket.sid in self.sockets and not socket.opened:
            # The connect handler may have run already.
            self._stock.closed(socket, reason)
        super().forget(socket, reason)

    async def send_packet(self, sid: str, pkt: Any) -> None:
        """Send an ``engineio.packet.Packet``; to nobody, if the client is gone."""
        socket = self.sockets.get(sid)
        if socket is None:
            return
        data = pkt.data
        if pkt.packet_type != packet.MESSAGE:
            socket.transport.send_packet(frames.packet(f"{pkt.packet_type}{data or ''}".encode()))
        elif isinstance(data, (bytes, bytearray)):
            socket.send_binary(bytes(data))
        elif isinstance(data, (dict, list)):
            socket.send_text(json.dumps(data, separators=(",", ":")))
        else:
            socket.send_text("" if data is None else str(data))

    async def disconnect(self, sid: str | None = None) -> None:
        """Close one client, or all of them."""
        chosen = list(self.sockets.values()) if sid is None else [self.sockets.get(sid)]
        for socket in chosen:
            if socket is not None:
                socket.close(close_reasons.SERVER_DISCONNECT)

    def transport(self, sid: str) -> str:
        """The name of the transport a client uses; raises ``KeyError`` for one that is gone."""
        return self.sockets[sid].transport_name

    async def trigger(self, event: str, *arguments: object) -> object:
        """Run one of python-socketio's handlers to its end."""
        verdict: object = await self._trigger_event(event, *arguments, run_async=False)
        return verdict
