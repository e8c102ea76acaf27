"""Engine.IO v4 on aiohttp, tuned: no task, queue or future a message, frames encoded once for all."""

from server.sockets.engine import frames
from server.sockets.engine.counters import Counters
from server.sockets.engine.engine_socket import EngineSocket
from server.sockets.engine.frames import Frame
from server.sockets.engine.limits import Limits
from server.sockets.engine.server import EngineServer

__all__ = ["Counters", "EngineServer", "EngineSocket", "Frame", "Limits", "frames"]
