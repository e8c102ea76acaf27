"""Events for a plain python-socketio server, whose handlers are coroutines."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from server.engineio.server import EngineServer
    from server.engineio.socket import EngineSocket

_Event = tuple[str, str | bytes]

_FULL: Final = 64


class StockEvents:
    """Runs the registered handlers of each client one after the other, and stops reading when they lag behind."""

    __slots__ = ("_engine", "_queues", "_tasks")

    def __init__(self, engine: EngineServer) -> None:
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
