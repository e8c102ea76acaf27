"""Events as Socket.IO packets."""

from __future__ import annotations

from functools import cache

from domain import wire
from domain.events import Event
from server.sockets import packets


def encode(event: Event, namespace: str) -> bytes:
    """The event as a packet of the namespace."""
    return _prefix(event.name, namespace) + wire.encode(event) + b"]"


@cache
def _prefix(name: str, namespace: str) -> bytes:
    return packets.prefix(packets.EVENT, namespace) + b'["' + name.encode() + b'",'
