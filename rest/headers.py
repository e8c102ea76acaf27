"""Headers of every answer: request id, security, CORS."""

from __future__ import annotations

import re
import uuid
from collections.abc import Awaitable, Callable, Collection
from http import HTTPStatus

import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Middleware

from domain.networks import allows_origin

HEADER = "X-Request-Id"
_KEY = web.RequestKey("request_id", str)
# It is in every line of the log: no dots, as tokens have, nor what a token begins with.
_ACCEPTED = re.compile(r"(?!eyJ)[A-Za-z0-9-]{8,64}")


def request_id_of(request: web.BaseRequest) -> str:
    """The caller's own, where it is harmless, else a new one; the same for the whole request."""
    known = request.get(_KEY)
    if known is None:
        given = request.headers.get(HEADER, "")
        known = given if _ACCEPTED.fullmatch(given) else uuid.uuid4().hex
        request[_KEY] = known
    return known


@web.middleware
async def request_id_middleware(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    with structlog.contextvars.bound_contextvars(request_id=request_id_of(request)):
        return await handler(request)


Signal = Callable[[web.Request, web.StreamResponse], Awaitable[None]]

_ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    # A page of ours says its own; an answer in JSON needs nothing.
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}
_SERVER = "spotter"
_TRANSPORT = ("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
_METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE"
# What pages of other origins may send and read beyond the fetch standard's own: all that a route heeds or says.
_ALLOWED = f"Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, If-Range, Range, {HEADER}"
_EXPOSED = (
    f"RateLimit, RateLimit-Policy, Retry-After, {HEADER}, ETag, Content-Range, Accept-Ranges, Content-Disposition, "
    "Allow, Accept-Encoding, WWW-Authenticate"
)
_PREFLIGHT_SECONDS = "600"


def put_on(response: web.StreamResponse, request_id: str, *, secure: bool) -> None:
    """What every answer carries; what is set is left alone. ``secure`` adds HSTS."""
    _put_on(response, secure=secure)
    response.headers["Server"] = _SERVER
    response.headers[HEADER] = request_id


def _put_on(response: web.StreamResponse, *, secure: bool) -> None:
    for name, value in _ALWAYS.items():
        response.headers.setdefault(name, value)
    if secure:
        response.headers.setdefault(*_TRANSPORT)


class AllowedOrigins:
    """The origins that browsers may call from, as ``allows_origin`` reads them."""

    def __init__(self, allowed: Collection[str]) -> None:
        self._allowed = frozenset(allowed)

    def allows(self, origin: str) -> bool:
        return allows_origin(self._allowed, origin)


def header_signal(
    origins: AllowedOrigins,
    *,
    secure: bool,
    exempt: tuple[str, ...],
    limits: Callable[[web.Request], Awaitable[dict[str, str]]] | None = None,
) -> Signal:
    """``limits`` are the headers about the limits that a request was counted by.

    For ``on_response_prepare``, so that streams and errors carry them too. Set headers are left alone."""

    async def add(request: web.Request, response: web.StreamResponse) -> None:
        if request.path.startswith(exempt):
            response.headers["Server"] = _SERVER
            if response.status >= HTTPStatus.BAD_REQUEST:
                _put_on(response, secure=secure)
            return
        put_on(response, request_id_of(request), secure=secure)
        if limits is not None:
            response.headers.update(await limits(request))
        _add_cors(request, response, origins)

    return add


def preflight_middleware(origins: AllowedOrigins, exempt: tuple[str, ...]) -> Middleware:
    """Answers a browser's question before a request from another origin."""

    @web.middleware
    async def preflight(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        asked = request.method == hdrs.METH_OPTIONS and hdrs.ACCESS_CONTROL_REQUEST_METHOD in request.headers
        if not asked or request.path.startswith(exempt):
            return await handler(request)
        response = web.Response(status=204)
        if origins.allows(request.headers.get(hdrs.ORIGIN, "")):
            response.headers[hdrs.ACCESS_CONTROL_ALLOW_METHODS] = _METHODS
            response.headers[hdrs.ACCESS_CONTROL_ALLOW_HEADERS] = _ALLOWED
            response.headers[hdrs.ACCESS_CONTROL_MAX_AGE] = _PREFLIGHT_SECONDS
        return response

    return preflight


def _add_cors(request: web.Request, response: web.StreamResponse, origins: AllowedOrigins) -> None:
    response.headers.add(hdrs.VARY, "Origin")
    origin = request.headers.get(hdrs.ORIGIN)
    if origin is not None and origins.allows(origin):
        response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin
        response.headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = _EXPOSED
