"""Answers that are not JSON: documents with an entity tag, and files in ranges (RFC 9110, section 14).

One range is answered as a part, several with the whole; a download takes no more memory than a chunk.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator
from datetime import datetime
from functools import partial
from typing import NamedTuple
from urllib.parse import quote

from aiohttp import hdrs, web

from domain.errors import Code, DomainError
from domain.files import StoredFile
from domain.networks import network_of
from handlers.access import Actor, Visitor
from handlers.document_cache import TaggedDocument
from rest.adapter import caller_of, owner_of
from rest.answering import answered_in_time
from rest.errors import problem
from rest.limits import Counting
from rest.requests import Parser
from rest.route import HttpHandler, Route, Services
from store import command_budget
from store.command_budget import Budget, stream_budget

_CACHE = "private, max-age=300"


def document_handler(route: Route, services: Services) -> HttpHandler:
    """For rows that name what they produce; the handler answers a ``TaggedDocument``, written for who lacks it."""
    parser = Parser(route)
    assert route.produces is not None
    content_type = f"{route.produces}; charset=utf-8"

    async def answer(request: web.Request, budget: Budget) -> web.StreamResponse:
        caller = await caller_of(request, services, public=route.public)
        await Counting(services.limiter, request, caller).begin(route.rate)
        with budget.paused():
            command = await parser.parse(request)
        budget.owner, budget.bulk = owner_of(caller), route.bulky
        budget.network = network_of(caller.address)
        document: TaggedDocument = await route.handler(services.context, caller, command)
        etag = f'"{document.tag}"'
        headers = {hdrs.ETAG: etag, hdrs.CACHE_CONTROL: _CACHE}
        require_match(request, etag)
        if names(request.headers.get(hdrs.IF_NONE_MATCH, ""), etag):
            return web.Response(status=304, headers=headers)
        body = await document.write()
        return web.Response(body=body, headers={**headers, hdrs.CONTENT_TYPE: content_type})

    async def handle(request: web.Request) -> web.StreamResponse:
        return await answered_in_time(Budget(), partial(answer, request))

    return handle


def names(if_none_match: str, etag: str) -> bool:
    """Whether the header names the tag (RFC 9110, 13.1.2: compared weakly)."""
    return any(one.strip().removeprefix("W/") in (etag, "*") for one in if_none_match.split(","))


def require_match(request: web.Request, etag: str) -> None:
    """Raises ``precondition_failed`` where If-Match names another state (RFC 9110, 13.1.1: compared strongly)."""
    named = request.headers.getall(hdrs.IF_MATCH, ())
    if named and not any(one.strip() in (etag, "*") for one in ",".join(named).split(",")):
        raise DomainError(Code.PRECONDITION_FAILED, f"If-Match has to name {etag}, or be *.")


_ONE = re.compile(r"bytes=([0-9]*)-([0-9]*)")
# No file is as long; what has more digits need not be read, and Python would refuse to.
_BEYOND = 10**18


class Span(NamedTuple):
    """``end`` is exclusive."""

    start: int
    end: int


class Outside(Exception):
    """The file has nothing of the range."""


def requested_range(header: str | None, if_range: str | None, etag: str, size: int) -> Span | None:
    """What a range asks for, be it everything; nothing where there is none to heed. Raises ``Outside``."""
    if header is None or (if_range is not None and if_range != etag):
        return None
    match = _ONE.fullmatch(header.replace(" ", ""))
    if match is None or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if not first:
        start, end = max(0, size - _number(last)), size
    else:
        start, end = _number(first), _number(last) + 1 if last else _BEYOND + 1
        if end <= start:
            return None
    if start >= size:
        raise Outside
    return Span(start, min(end, size))


def _number(digits: str) -> int:
    digits = digits.lstrip("0") or "0"
    return int(digits) if len(digits) < len(str(_BEYOND)) else _BEYOND


_SANDBOX = "default-src 'none'; sandbox; frame-ancestors 'none'"
# A reader that does not take so much in so long has gone.
_WRITE_BYTES, _WRITE_SECONDS = 64 * 1024, 30.0


def download_handler(route: Route, services: Services) -> HttpHandler:
    parser = Parser(route)

    async def find(request: web.Request, _: Budget) -> tuple[Actor | Visitor, StoredFile, dict[str, str]]:
        signed = "signature" in request.query
        caller: Actor | Visitor = await caller_of(request, services, public=signed)
        await Counting(services.limiter, request, caller).begin(route.rate)
        command = await parser.parse(request)
        file: StoredFile = await route.handler(services.context, caller, command)
        caching = _caching(command.expires if signed else None, services.context.clock())
        return caller, file, _headers(file, caching)

    async def handle(request: web.Request) -> web.StreamResponse:
        caller, file, headers = await answered_in_time(Budget(), partial(find, request))
        # As long as its reader needs; each step of ours is bounded.
        with command_budget.within(stream_budget(owner_of(caller), network_of(caller.address), bulk=True)):
            return await _answer(request, services, file, headers)

    return handle


def _headers(file: StoredFile, caching: str) -> dict[str, str]:
    return {
        hdrs.ETAG: f'"{file.digest}"',
        hdrs.ACCEPT_RANGES: "bytes",
        hdrs.CACHE_CONTROL: caching,
        hdrs.CONTENT_SECURITY_POLICY: _SANDBOX,
        hdrs.CONTENT_DISPOSITION: _disposition(file),
        # Pages of other origins show pictures by their URL.
        "Cross-Origin-Resource-Policy": "cross-origin",
    }


def _caching(until: int | None, now: datetime) -> str:
    """A signed URL has one content for ever. Without, who asks matters: the next on this device may be another."""
    if until is None:
        return "private, no-cache"
    return f"private, max-age={max(0, until - int(now.timestamp()))}, immutable"


def _disposition(file: StoredFile) -> str:
    """A PDF may hold programs: it is saved, not shown, and so is an archive. RFC 6266, with RFC 5987 for what is not
    ASCII."""
    kind = "attachment" if file.kind in ("pdf", "archive") else "inline"
    plain = "".join(c if c.isascii() and c not in '"\\' else "_" for c in file.name)
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(file.name, safe='')}"


async def _answer(
    request: web.Request, services: Services, file: StoredFile, headers: dict[str, str]
) -> web.StreamResponse:
    etag = headers[hdrs.ETAG]
    require_match(request, etag)
    if names(request.headers.get(hdrs.IF_NONE_MATCH, ""), etag):
        return web.Response(status=304, headers=headers)
    # A range is of an answer with a body only.
    asked = request.headers.get(hdrs.RANGE) if request.method == hdrs.METH_GET else None
    try:
        part = requested_range(asked, request.headers.get(hdrs.IF_RANGE), etag, file.size)
    except Outside:
        outside = DomainError(Code.RANGE_NOT_SATISFIABLE, f"A range begins below {file.size}, the length in bytes.")
        response = problem(outside, request)
        response.headers[hdrs.CONTENT_RANGE] = f"bytes */{file.size}"
        return response
    return await _stream(request, services, file, part, headers)


async def _stream(
    request: web.Request, services: Services, file: StoredFile, part: Span | None, headers: dict[str, str]
) -> web.StreamResponse:
    response = web.StreamResponse(headers={**headers, hdrs.CONTENT_TYPE: file.content_type})
    span = part or Span(0, file.size)
    response.content_length = span.end - span.start
    if part is not None:
        response.set_status(206)
        response.headers[hdrs.CONTENT_RANGE] = f"bytes {span.start}-{span.end - 1}/{file.size}"
    if request.method == hdrs.METH_HEAD:
        await response.prepare(request)
        return response
    reading = services.context.store.files.read(file.id, *span)
    try:
        # What went away meanwhile is still answered as an error now, and cannot be later.
        chunk = await anext(reading)
        await response.prepare(request)
        await _send(request, response, chunk, reading)
    finally:
        await reading.aclose()
    return response


async def _send(
    request: web.Request, response: web.StreamResponse, chunk: bytes, rest: AsyncGenerator[bytes, None]
) -> None:
    """Each chunk when the one before it was taken."""
    try:
        await _write(response, chunk)
        async for more in rest:
            await _write(response, more)
        await response.write_eof()
    except BaseException as error:
        # Half an answer cannot be taken back, but the reader must not wait for the rest.
        if request.transport is not None:
            request.transport.abort()
        if not isinstance(error, TimeoutError | ConnectionError):
            raise


async def _write(response: web.StreamResponse, chunk: bytes) -> None:
    for at in range(0, len(chunk), _WRITE_BYTES):
        async with asyncio.timeout(_WRITE_SECONDS):
            await response.write(chunk[at : at + _WRITE_BYTES])
