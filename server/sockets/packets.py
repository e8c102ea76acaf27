"""Socket.IO v5 packets, read strictly: what no client library would send ends the socket."""

from __future__ import annotations

from typing import Final, NamedTuple

CONNECT: Final = "0"
DISCONNECT: Final = "1"
EVENT: Final = "2"
ACK: Final = "3"
BINARY_EVENT: Final = "5"
BINARY_ACK: Final = "6"

# NOTES-stack.md, 8: the stock parser lets a client announce 10^10 attachments. Commands take none at all.
MAX_ATTACHMENTS: Final = 10
_MAX_ID_DIGITS: Final = 16
_DIGITS: Final = frozenset("0123456789")


class BadPacket(Exception):
    """Not a packet that a client may send."""


class Packet(NamedTuple):
    kind: str
    namespace: str
    id: int | None
    attachments: int
    payload: str


def parse(text: str) -> Packet:
    """The packet in a text message; its payload is left as JSON text. Raises ``BadPacket``."""
    kind, at, attachments = text[:1], 1, 0
    if kind in (BINARY_EVENT, BINARY_ACK) and kind:
        attachments, at = _attachments(text)
    namespace = "/"
    if text.startswith("/", at):
        comma = text.find(",", at)
        if comma < 0:
            comma = len(text)
        namespace, at = text[at:comma], comma + 1
    start = at
    while text[at : at + 1] in _DIGITS and at - start <= _MAX_ID_DIGITS:
        at += 1
    packet = Packet(kind, namespace, int(text[start:at]) if at > start else None, attachments, text[at:])
    _check(packet, at - start)
    return packet


def _attachments(text: str) -> tuple[int, int]:
    dash = text.find("-", 1, 4)
    count = text[1:dash] if dash > 1 else ""
    if not count or not set(count) <= _DIGITS or int(count) > MAX_ATTACHMENTS:
        raise BadPacket
    return int(count), dash + 1


def _check(packet: Packet, id_digits: int) -> None:
    if id_digits > _MAX_ID_DIGITS:
        raise BadPacket
    first = packet.payload[:1]
    if packet.kind in (EVENT, BINARY_EVENT):
        fits = first == "["
    elif packet.kind in (ACK, BINARY_ACK):
        fits = first == "[" and packet.id is not None
    elif packet.kind == CONNECT:
        fits = packet.id is None and first in ("", "{")
    elif packet.kind == DISCONNECT:
        fits = packet.id is None and not first
    else:
        fits = False
    if not fits:
        raise BadPacket


def prefix(kind: str, namespace: str) -> bytes:
    """The beginning of an outgoing packet of a kind in a namespace."""
    return f"{kind}{namespace},".encode() if namespace != "/" else kind.encode()
