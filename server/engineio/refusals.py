"""The answers to requests that are not accepted, with the texts of the JavaScript server."""

from __future__ import annotations

from typing import Final

from aiohttp import web


class Refusal(Exception):
    """A request that is answered with an error; the codes are Engine.IO's own."""

    def __init__(self, status: int, code: int, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status: Final = status
        self.code: Final = code
        self.message: Final = message
        self.headers: Final = headers

    def response(self) -> web.Response:
        body = f'{{"code":{self.code},"message":"{self.message}"}}'
        return web.Response(status=self.status, text=body, content_type="application/json", headers=self.headers)


def unknown_transport() -> Refusal:
    return Refusal(400, 0, "Transport unknown")


def unknown_session() -> Refusal:
    return Refusal(400, 1, "Session ID unknown")


def bad_method() -> Refusal:
    return Refusal(400, 2, "Bad handshake method")


def bad_request() -> Refusal:
    return Refusal(400, 3, "Bad request")


def forbidden() -> Refusal:
    return Refusal(403, 4, "Forbidden")


def unsupported_version() -> Refusal:
    return Refusal(400, 5, "Unsupported protocol version")


def length_required() -> Refusal:
    return Refusal(411, 3, "Length required")


class PayloadTooLarge(Refusal):
    """Answered as REST answers: what a client sent was well-formed, and its developer is to know the limit."""

    def __init__(self, most: int) -> None:
        super().__init__(413, 3, "Payload too large")
        self._most = most

    def response(self) -> web.Response:
        body = (
            '{"type":"about:blank","title":"Payload too large","status":413,"code":"payload_too_large",'
            f'"detail":"At most {self._most} bytes a request."}}'
        )
        return web.Response(status=self.status, text=body, content_type="application/problem+json")


def too_large(most: int) -> Refusal:
    return PayloadTooLarge(most)


def too_many() -> Refusal:
    return Refusal(429, 4, "Too many connections; try again in 10 seconds.", {"Retry-After": "10"})


def shutting_down() -> Refusal:
    return Refusal(503, 4, "Shutting down", {"Retry-After": "1"})
