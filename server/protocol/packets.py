"""Socket.IO v5 packets: parsed strictly (what no client library would send ends the socket), encoded for events and
acknowledgements (``{"ok":true,"data":…}`` or ``{"ok":false,"error":…}``).
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final, NamedTuple

import msgspec

from domain.errors import Code, DomainError, FieldError
from domain.wire import codec
from domain.wire.events import Event

CONNECT: Final = "0"
DISCONNECT: Final = "1"
EVENT: Final = "2"
ACK: Final = "3"
BINARY_EVENT: Final = "5"
BINARY_ACK: Final = "6"

# python-socketio's own parser lets a client announce 10^10 attachments. Commands take none at all.
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


def encode(event: Event, namespace: str) -> bytes:
    """The event as a packet of the namespace."""
    return _prefix(event.name, namespace) + codec.encode(event) + b"]"


@cache
def _prefix(name: str, namespace: str) -> bytes:
    return prefix(EVENT, namespace) + b'["' + name.encode() + b'",'


class CommandError(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Why a command was refused: ``code`` for programs, ``message`` for people; ``errors`` names the fields refused."""

    code: Code
    message: str
    errors: tuple[FieldError, ...] = ()
    retry_after_ms: int | None = None


def success(result: object) -> bytes:
    """The envelope of a command's result; None is ``{}``."""
    return b'{"ok":true,"data":' + (b"{}" if result is None else codec.encode(result)) + b"}"


def failure(error: DomainError) -> bytes:
    body = CommandError(error.code, error.message, error.errors, error.retry_after_ms)
    return b'{"ok":false,"error":' + codec.encode(body) + b"}"


def acknowledgement(namespace: str, ack_id: int, envelope: bytes) -> bytes:
    return b"%b%d[%b]" % (_prefixes.get(namespace) or prefix(ACK, namespace), ack_id, envelope)


_prefixes = {
    namespace: prefix(ACK, namespace) for namespace in ("/conversations", "/presence", "/bookings")
}


def connected(namespace: str, sid: str) -> bytes:
    return prefix(CONNECT, namespace) + b'{"sid":"' + sid.encode() + b'"}'


class ConnectRefusal(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    code: str
    retry_after_ms: int | None = None


class ConnectError(msgspec.Struct, frozen=True):
    """Why a namespace was not connected."""

    message: str
    data: ConnectRefusal


def refused(namespace: str, message: str, code: str, retry_after_ms: int | None = None) -> bytes:
    """CONNECT_ERROR, which arrives as ``connect_error`` with ``data: {code}``."""
    return prefix("4", namespace) + codec.encode(ConnectError(message, ConnectRefusal(code, retry_after_ms)))
