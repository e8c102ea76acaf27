"""Files coming in: each upload in its turn, streamed to its handler."""

from __future__ import annotations

from aiohttp import web

from domain import wire
from handlers.actor import Actor
from handlers.files.uploading import Upload
from rest.adapter import HttpHandler, Services, caller_of
from rest.limits import take
from rest.multipart import file_part
from rest.requests import key_of
from rest.route import Route
from rest.turns import Turns


def upload_handler(route: Route, services: Services) -> HttpHandler:
    turns = Turns()

    async def handle(request: web.Request) -> web.StreamResponse:
        caller = await caller_of(request, services, public=False)
        await take(services.limiter, route.rate, caller)
        assert isinstance(caller, Actor)
        key = key_of(request)
        async with turns.turn(caller.user_id):
            part = await file_part(request)
            answer = await route.handler(services.context, caller, Upload(part.name, part.chunks(), key))
        return web.Response(status=route.success, body=wire.encode(answer), content_type="application/json")

    return handle
