"""Acknowledgements: ``{"ok":true,"data":…}`` or ``{"ok":false,"error":…}``, as finished packets."""

from __future__ import annotations

import msgspec

from domain import wire
from domain.errors import DomainError, FieldError
from server.sockets import packets


class _Error(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    code: str
    message: str
    errors: tuple[FieldError, ...] = ()
    retry_after_ms: int | None = None


def success(result: object) -> bytes:
    """The envelope of a command's result; None is ``{}``."""
    return b'{"ok":true,"data":' + (b"{}" if result is None else wire.encode(result)) + b"}"


def failure(error: DomainError) -> bytes:
    body = _Error(str(error.code), error.message, error.errors, error.retry_after_ms)
    return b'{"ok":false,"error":' + wire.encode(body) + b"}"


def acknowledgement(namespace: str, ack_id: int, envelope: bytes) -> bytes:
    return b"%b%d[%b]" % (_prefixes.get(namespace) or packets.prefix(packets.ACK, namespace), ack_id, envelope)


_prefixes = {
    namespace: packets.prefix(packets.ACK, namespace) for namespace in ("/conversations", "/presence", "/bookings")
}


def connected(namespace: str, sid: str) -> bytes:
    return packets.prefix(packets.CONNECT, namespace) + b'{"sid":"' + sid.encode() + b'"}'


class _Refusal(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    code: str
    retry_after_ms: int | None = None


class _ConnectError(msgspec.Struct, frozen=True, omit_defaults=True):
    message: str
    data: _Refusal | None = None


def refused(namespace: str, message: str, code: str | None = None, retry_after_ms: int | None = None) -> bytes:
    """CONNECT_ERROR, which arrives as ``connect_error`` with ``data: {code}``."""
    body = wire.encode(_ConnectError(message, None if code is None else _Refusal(code, retry_after_ms)))
    return packets.prefix("4", namespace) + body
