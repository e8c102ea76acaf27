"""Engine.IO v4 on aiohttp, tuned: no task, queue or future a message, frames encoded once for all."""

from server.engineio.server import EngineServer
from server.engineio.socket import EngineSocket
from server.engineio.transport import Counters, TransportLimits
from server.protocol import frames
from server.protocol.frames import Frame

__all__ = ["Counters", "EngineServer", "EngineSocket", "Frame", "TransportLimits", "frames"]
