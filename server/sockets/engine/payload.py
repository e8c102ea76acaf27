"""Bodies of the polling transport: packets parted by the record separator."""

from __future__ import annotations

from binascii import Error as Base64Error
from binascii import a2b_base64
from typing import Final

SEPARATOR: Final = b"\x1e"

Packet = str | bytes  # a text packet with its type, or the bytes of a binary message

_TEXT_PACKETS: Final = b"1346"
_BINARY: Final = ord("b")


class BadPacket(Exception):
    """The body holds something that a client may not send."""


def decode(body: bytes, most: int) -> list[Packet]:
    """All packets of a POST, or ``BadPacket``: nothing of a bad body is acted on."""
    if body.count(SEPARATOR) >= most:
        raise BadPacket
    return [_decode_one(part) for part in body.split(SEPARATOR)]


def _decode_one(part: bytes) -> Packet:
    if not part:
        raise BadPacket
    try:
        if part[0] == _BINARY:
            return a2b_base64(part[1:], strict_mode=True) if len(part) > 1 else b""
        if part[0] in _TEXT_PACKETS:
            return part.decode()
    except (Base64Error, UnicodeDecodeError):
        raise BadPacket from None
    raise BadPacket
