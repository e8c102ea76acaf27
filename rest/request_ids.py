"""A name for each request, in its answer and in every line logged on its way."""

from __future__ import annotations

import re
import uuid
from collections.abc import Awaitable, Callable

import structlog
from aiohttp import web

HEADER = "X-Request-Id"
_KEY = web.RequestKey("request_id", str)
_ACCEPTED = re.compile(r"[A-Za-z0-9._-]{1,64}")


def request_id_of(request: web.Request) -> str:
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
