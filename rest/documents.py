"""An answer that is a document of its own kind, with a tag so that what has not changed is not sent again."""

from __future__ import annotations

import hashlib

from aiohttp import hdrs, web

from rest.adapter import HttpHandler, Services, caller_of
from rest.limits import take
from rest.requests import Parser
from rest.route import Route

_CACHE = "private, max-age=300"


def document_handler(route: Route, services: Services) -> HttpHandler:
    """For rows that name what they produce; the handler answers bytes."""
    parser = Parser(route)
    assert route.produces is not None
    content_type = f"{route.produces}; charset=utf-8"

    async def handle(request: web.Request) -> web.StreamResponse:
        caller = await caller_of(request, services, public=route.public)
        await take(services.limiter, route.rate, caller)
        body: bytes = await route.handler(services.context, caller, await parser.parse(request))
        etag = f'"{hashlib.sha256(body).hexdigest()}"'
        headers = {hdrs.ETAG: etag, hdrs.CACHE_CONTROL: _CACHE}
        if names(request.headers.get(hdrs.IF_NONE_MATCH, ""), etag):
            return web.Response(status=304, headers=headers)
        return web.Response(body=body, headers={**headers, hdrs.CONTENT_TYPE: content_type})

    return handle


def names(if_none_match: str, etag: str) -> bool:
    """Whether the header names the tag (RFC 9110, 13.1.2: compared weakly)."""
    return any(one.strip().removeprefix("W/") in (etag, "*") for one in if_none_match.split(","))
