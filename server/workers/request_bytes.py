"""A request as it stood on the wire, rebuilt from what aiohttp made of it."""

from __future__ import annotations

from typing import Final

from aiohttp import web

# The expectation was answered before the handler ran.
_SPENT: Final = (b"expect",)
# A body in either of these is refused by its owner unseen, and what aiohttp decoded of it cannot be encoded again.
_ENCODED: Final = (b"transfer-encoding", b"content-encoding")


class Unfit(Exception):
    """More was read from the connection than this one request."""


def taken_from(request: web.Request) -> bytes:
    """The request's head, and everything behind it that was read already: nobody else will get it."""
    protocol, message = request.protocol, request._message
    if protocol._messages:
        raise Unfit
    headers = [(name, value) for name, value in message.raw_headers if name.lower() not in _SPENT]
    if any(name.lower() in _ENCODED for name, _ in headers):
        return _head(request, _closing(headers))
    body = bytearray()
    while part := request.content.read_nowait():
        body += part
    if protocol._messages:  # room in the buffers may have let the parser go on
        raise Unfit
    return b"".join((_head(request, headers), body, protocol._message_tail))


def _head(request: web.Request, headers: list[tuple[bytes, bytes]]) -> bytes:
    message = request._message
    version = f"HTTP/{message.version.major}.{message.version.minor}"
    first = f"{message.method} {message.path} {version}".encode("utf-8", "surrogateescape")
    lines = [first, *(name + b": " + value for name, value in headers)]
    return b"\r\n".join((*lines, b"", b""))


def _closing(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Headers of a request without its body, after which the connection is of no use."""
    dropped = {b"connection", b"transfer-encoding", b"content-encoding"}
    if all(name.lower() != b"transfer-encoding" for name, _ in headers):
        return [*_without(headers, dropped | {b"content-length"}), (b"Content-Length", b"0"), (b"Connection", b"close")]
    return [*_without(headers, dropped | {b"content-length"}), (b"Connection", b"close")]


def _without(headers: list[tuple[bytes, bytes]], names: set[bytes]) -> list[tuple[bytes, bytes]]:
    return [(name, value) for name, value in headers if name.lower() not in names]
