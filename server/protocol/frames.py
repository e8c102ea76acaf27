"""Finished frames: encoded once, then written to any number of sockets over either transport.

A body of the polling transport holds several, separated by the record separator.
"""

from __future__ import annotations

from base64 import b64encode
from binascii import Error as Base64Error
from binascii import a2b_base64
from struct import Struct
from typing import Final

_pack_16: Final = Struct("!BBH").pack
_pack_64: Final = Struct("!BBQ").pack

_FIN_TEXT: Final = 0x81
_FIN_BINARY: Final = 0x82
_FIN_CLOSE: Final = 0x88
_FIN_PONG: Final = 0x8A

_MESSAGE: Final = b"4"
# Header and the packet type in one piece: a short message then costs a single concatenation.
_SHORT_MESSAGE: Final = tuple(bytes((_FIN_TEXT, size + 1)) + _MESSAGE for size in range(125))


def _framed(first: int, payload: bytes) -> bytes:
    size = len(payload)
    if size < 126:
        return bytes((first, size)) + payload
    if size < 65536:
        return _pack_16(first, 126, size) + payload
    return _pack_64(first, 127, size) + payload


def text_wire(payload: bytes) -> bytes:
    """The WebSocket frame of a text message; ``payload`` is what follows the packet type."""
    if len(payload) < 125:
        return _SHORT_MESSAGE[len(payload)] + payload
    return _framed(_FIN_TEXT, _MESSAGE + payload)


def binary_wire(payload: bytes) -> bytes:
    """The WebSocket frame of a binary message."""
    return _framed(_FIN_BINARY, payload)


def packet_wire(packet: bytes) -> bytes:
    """The WebSocket frame of a whole Engine.IO packet, its type included."""
    return _framed(_FIN_TEXT, packet)


def close_wire(code: int, reason: bytes = b"") -> bytes:
    """A WebSocket close frame; the reason has at most 123 bytes."""
    return _framed(_FIN_CLOSE, code.to_bytes(2, "big") + reason)


def pong_wire(payload: bytes) -> bytes:
    """The answer to a WebSocket ping."""
    return _framed(_FIN_PONG, payload)


class Frame:
    """One outgoing packet in the forms both transports need."""

    __slots__ = ("_polled", "wire")

    def __init__(self, wire: bytes, polled: bytes | None = None) -> None:
        self.wire: Final = wire
        self._polled = polled

    @property
    def polled(self) -> bytes:
        """The packet as it is in a polling body; made at the first poll that needs it."""
        if self._polled is None:
            size = self.wire[1]
            start = 2 if size < 126 else 4 if size == 126 else 10
            body = self.wire[start:]
            self._polled = body if self.wire[0] == _FIN_TEXT else b"b" + b64encode(body)
        return self._polled


def text(payload: bytes) -> Frame:
    """A text message; ``payload`` is what follows the packet type ``4``."""
    return Frame(text_wire(payload))


def binary(payload: bytes) -> Frame:
    """A binary message."""
    return Frame(binary_wire(payload))


def packet(packet: bytes) -> Frame:
    """A whole Engine.IO packet, its type included."""
    return Frame(packet_wire(packet), packet)


CLOSE: Final = packet(b"1")
PING: Final = packet(b"2")
PROBE_ANSWER: Final = packet(b"3probe")
NOOP: Final = packet(b"6")


SEPARATOR: Final = b"\x1e"

Packet = str | bytes  # a text packet with its type, or the bytes of a binary message

_TEXT_PACKETS: Final = b"1346"
_BINARY: Final = ord("b")


class BadPayload(Exception):
    """The body holds something that a client may not send."""


def decode(body: bytes, most: int) -> list[Packet]:
    """All packets of a POST, or ``BadPayload``: nothing of a bad body is acted on."""
    if body.count(SEPARATOR) >= most:
        raise BadPayload
    return [_decode_one(part) for part in body.split(SEPARATOR)]


def _decode_one(part: bytes) -> Packet:
    if not part:
        raise BadPayload
    try:
        if part[0] == _BINARY:
            return a2b_base64(part[1:], strict_mode=True) if len(part) > 1 else b""
        if part[0] in _TEXT_PACKETS:
            return part.decode()
    except (Base64Error, UnicodeDecodeError):
        raise BadPayload from None
    raise BadPayload
