"""The route that Stripe calls: its body is taken as it came, because it is signed byte by byte."""

from __future__ import annotations

from functools import partial

from aiohttp import web

from domain.wire import codec
from domain.wire.payments import StripeEvent
from rest.adapter import caller_of
from rest.answering import answered_in_time
from rest.limits import Counting
from rest.requests import read_body
from rest.route import HttpHandler, Route, Services
from store.command_budget import Budget

_SIGNATURE = "Stripe-Signature"
_LONGEST_SIGNATURE = 4096


def webhook_handler(route: Route, services: Services) -> HttpHandler:
    async def answer(request: web.Request, budget: Budget) -> web.Response:
        caller = await caller_of(request, services, public=True)
        await Counting(services.limiter, request, caller).begin(route.rate)
        with budget.paused():
            body = await read_body(request)
        signature = request.headers.get(_SIGNATURE, "")[:_LONGEST_SIGNATURE]
        result = await route.handler(services.context, caller, StripeEvent(payload=body, signature=signature))
        return web.Response(body=codec.encode(result), content_type="application/json")

    async def handle(request: web.Request) -> web.Response:
        return await answered_in_time(Budget(), partial(answer, request))

    return handle
