"""Files over HTTP: an upload streams in, a download streams out, with ranges and caching."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime
from urllib.parse import quote

from aiohttp import hdrs, web

from domain import wire
from domain.errors import Code, DomainError
from domain.files import StoredFile
from handlers.actor import Actor, Visitor
from handlers.files.uploading import Upload
from rest.adapter import HttpHandler, Services, caller_of
from rest.documents import names
from rest.limits import take
from rest.multipart import file_part
from rest.ranges import requested_range
from rest.requests import Parser
from rest.route import Route

# At the same time: of one user, and on this node.
_UPLOADS_OF_ONE = 8
_UPLOADS = 64
# A signed URL serves a day; its file never changes.
_CACHE = "private, max-age=86400, immutable"
_SANDBOX = "default-src 'none'; sandbox; frame-ancestors 'none'"
# A reader that takes nothing for so long has gone.
_WRITE_SECONDS = 30.0


def upload_handler(route: Route, services: Services) -> HttpHandler:
    under_way: Counter[str] = Counter()

    async def handle(request: web.Request) -> web.StreamResponse:
        caller = await caller_of(request, services, public=False)
        await take(services.limiter, route.rate, caller)
        assert isinstance(caller, Actor)
        if under_way[caller.user_id] >= _UPLOADS_OF_ONE or under_way.total() >= _UPLOADS:
            raise DomainError(Code.RATE_LIMITED, "Too many uploads at a time.", retry_after_ms=2000)
        under_way[caller.user_id] += 1
        try:
            part = await file_part(request)
            answer = await route.handler(services.context, caller, Upload(part.name, part.chunks()))
        finally:
            under_way.subtract([caller.user_id])
            if not under_way[caller.user_id]:
                del under_way[caller.user_id]
        return web.Response(status=route.success, body=wire.encode(answer), content_type="application/json")

    return handle


def download_handler(route: Route, services: Services) -> HttpHandler:
    parser = Parser(route)

    async def handle(request: web.Request) -> web.StreamResponse:
        signed = "signature" in request.query
        caller: Actor | Visitor = await caller_of(request, services, public=signed)
        await take(services.limiter, route.rate, caller)
        file: StoredFile = await route.handler(services.context, caller, await parser.parse(request))
        return await _answer(request, services, file)

    return handle


async def _answer(request: web.Request, services: Services, file: StoredFile) -> web.StreamResponse:
    etag = f'"{file.digest}"'
    headers = {
        hdrs.ETAG: etag,
        hdrs.LAST_MODIFIED: _http_date(file.created_at),
        hdrs.ACCEPT_RANGES: "bytes",
        hdrs.CACHE_CONTROL: _CACHE,
        hdrs.CONTENT_SECURITY_POLICY: _SANDBOX,
        hdrs.CONTENT_DISPOSITION: _disposition(file),
        # Pages of other origins show pictures by their URL.
        "Cross-Origin-Resource-Policy": "cross-origin",
    }
    if names(request.headers.get(hdrs.IF_NONE_MATCH, ""), etag):
        return web.Response(status=304, headers=headers)
    span = requested_range(request.headers.get(hdrs.RANGE), request.headers.get(hdrs.IF_RANGE), etag, file.size)
    if span is None:
        return web.Response(status=416, headers={**headers, hdrs.CONTENT_RANGE: f"bytes */{file.size}"})
    start, end = span
    response = web.StreamResponse(status=200, headers={**headers, hdrs.CONTENT_TYPE: file.content_type})
    if (start, end) != (0, file.size):
        response.set_status(206)
        response.headers[hdrs.CONTENT_RANGE] = f"bytes {start}-{end - 1}/{file.size}"
    response.content_length = end - start
    await response.prepare(request)
    if request.method != hdrs.METH_HEAD:
        try:
            await _stream(services, file, start, end, response)
        except (TimeoutError, ConnectionError):
            _break_off(request)
        except BaseException:
            _break_off(request)
            raise
    return response


def _break_off(request: web.Request) -> None:
    """Half an answer cannot be taken back, but the reader must not wait for the rest."""
    if request.transport is not None:
        request.transport.abort()


async def _stream(services: Services, file: StoredFile, start: int, end: int, response: web.StreamResponse) -> None:
    """In chunks, each when the one before it was taken."""
    reading = services.context.store.files.read(file.id, start, end)
    try:
        async for chunk in reading:
            async with asyncio.timeout(_WRITE_SECONDS):
                await response.write(chunk)
        await response.write_eof()
    finally:
        await reading.aclose()


def _disposition(file: StoredFile) -> str:
    """A PDF may hold programs: it is saved, not shown. RFC 6266, with RFC 5987 for what is not ASCII."""
    kind = "attachment" if file.kind == "pdf" else "inline"
    plain = "".join(c if c.isascii() and c not in '"\\' else "_" for c in file.name)
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(file.name, safe='')}"


def _http_date(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")


