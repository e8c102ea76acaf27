"""Puts the REST surface onto an aiohttp application."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from functools import cache, partial

from aiohttp import web

from rest.adapter import http_handler
from rest.errors import error_middleware
from rest.headers import AllowedOrigins, header_signal, preflight_middleware, request_id_middleware
from rest.limits import limit_headers
from rest.openapi import document
from rest.route import HttpHandler, Route, Services
from rest.routes import ROWS


def attach(
    app: web.Application,
    services: Services,
    *,
    allowed_origins: Collection[str],
    secure: bool,
    rows: Sequence[Route] = ROWS,
    exempt: tuple[str, ...] = ("/socket.io/",),
) -> None:
    """Before the application starts. ``secure`` adds HSTS; paths under ``exempt`` keep their own headers and errors."""
    origins = AllowedOrigins(allowed_origins)
    app.middlewares.extend([request_id_middleware, error_middleware(exempt), preflight_middleware(origins, exempt)])
    app.on_response_prepare.append(
        header_signal(origins, secure=secure, exempt=exempt, limits=partial(limit_headers, services.limiter))
    )
    for row in rows:
        handler = (row.adapter or http_handler)(row, services)
        if row.method == "GET":
            app.router.add_get(row.full_path, handler, allow_head=True)
        else:
            app.router.add_route(row.method, row.full_path, handler)
    app.router.add_get("/openapi.json", generated(lambda: document(rows, services.limiter.scaled)))


def generated(make: Callable[[], bytes]) -> HttpHandler:
    """A document in JSON, made when it is first asked for: it takes some tenths of a second, which a start can do
    without."""
    body = cache(make)

    async def answer(request: web.Request) -> web.Response:
        headers = {"Cache-Control": "no-cache"}
        return web.Response(body=await asyncio.to_thread(body), content_type="application/json", headers=headers)

    return answer
