"""Socket.IO v5 packets, read strictly: what no client library would send ends the socket."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

CONNECT: Final = "0"
DISCONNECT: Final = "1"
EVENT: Final = "2"
ACK: Final = "3"
BINARY_EVENT: Final = "5"
BINARY_ACK: Final = "6"

# NOTES-stack.md, 8: the stock parser lets a client announce 10^10 attachments. Commands take none at all.
MAX_ATTACHMENTS: Final = 10
# Kind, announced attachments, namespace up to its comma, id, and the rest as JSON text.
_PACKET: Final = re.compile(
    r"(?P<kind>[0-6])(?:(?P<attachments>[0-9]{1,2})-)?(?:(?P<namespace>/[^,]*)(?:,|\Z))?(?P<id>[0-9]{1,16})?", re.ASCII
)


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
    head = _PACKET.match(text)
    if head is None:
        raise BadPacket
    kind, attachments, namespace, ack_id = head.groups()
    payload = text[head.end() :]
    if not _fits(kind, ack_id is not None, payload[:1]) or (attachments is not None) is not (kind in _BINARY):
        raise BadPacket
    count = int(attachments) if attachments else 0
    if count > MAX_ATTACHMENTS:
        raise BadPacket
    return Packet(kind, namespace or "/", None if ack_id is None else int(ack_id), count, payload)


_BINARY: Final = (BINARY_EVENT, BINARY_ACK)


def _fits(kind: str, has_id: bool, first: str) -> bool:
    """Whether a packet of this kind may have an id or lack one, and a payload that begins so."""
    if kind in (EVENT, BINARY_EVENT):
        return first == "["
    if kind in (ACK, BINARY_ACK):
        return first == "[" and has_id
    if kind == CONNECT:
        return not has_id and first in ("", "{")
    return kind == DISCONNECT and not has_id and not first


def prefix(kind: str, namespace: str) -> bytes:
    """The beginning of an outgoing packet of a kind in a namespace."""
    return f"{kind}{namespace},".encode() if namespace != "/" else kind.encode()
