"""The one adapter between HTTP and the handlers."""

from __future__ import annotations

from functools import partial

from aiohttp import web

from domain.accounts import unauthenticated
from domain.errors import Code, DomainError
from domain.networks import network_of
from domain.wire import codec
from handlers.access import Actor, Visitor
from rest.answering import answered_in_time
from rest.limits import ADDRESS, FAILED_TOKENS, Counting
from rest.requests import Parser
from rest.route import HttpHandler, Route, Services
from store.command_budget import Budget

# What a device says of itself; more is not looked at.
_AGENT_CHARACTERS = 500


def http_handler(route: Route, services: Services) -> HttpHandler:
    """The aiohttp handler of a row."""
    parser = Parser(route)

    async def answer(request: web.Request, budget: Budget) -> web.Response:
        anybody = route.public and not (route.optional_auth and "Authorization" in request.headers)
        caller = await caller_of(request, services, public=anybody)
        counting = Counting(services.limiter, request, caller)
        await counting.begin(route.rate)
        with budget.paused():
            command = await parser.parse(request)
        await counting.count(route.rate, getattr(command, "email", None))
        budget.owner, budget.bulk = owner_of(caller), route.bulky
        budget.network = network_of(caller.address)
        try:
            result = await route.handler(services.context, caller, command)
        except DomainError as error:
            if error.code is Code.VALIDATION_FAILED:
                await counting.give_back()
            raise
        # A repeat under an idempotency key answers an object where the first answered nothing.
        if result is None or route.answer is None:
            return web.Response(status=204)
        return web.Response(status=route.success, body=codec.encode(result), content_type="application/json")

    async def handle(request: web.Request) -> web.Response:
        return await answered_in_time(Budget(), partial(answer, request))

    return handle


def owner_of(caller: Actor | Visitor) -> str:
    """Whose reads wait for each other."""
    return caller.user_id if isinstance(caller, Actor) else caller.address


async def caller_of(request: web.Request, services: Services, *, public: bool) -> Actor | Visitor:
    """Raises ``unauthenticated`` or ``token_expired`` where a token is needed; ``rate_limited`` before anything is
    read for an address that asks too much or whose tokens fail too often."""
    forwarded = ",".join(request.headers.getall("X-Forwarded-For", ())) or None
    address = services.client_address(request.remote, forwarded)
    visitor = Visitor(address, request.headers.get("User-Agent", "")[:_AGENT_CHARACTERS])
    counting = Counting(services.limiter, request, visitor)
    await counting.take(ADDRESS)
    if public:
        return visitor
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise unauthenticated()
    await counting.require_room(FAILED_TOKENS)
    try:
        return await services.authenticate(token.strip(), address)
    except DomainError as error:
        # Every client's token expires, which is found out without a read; a database that is away is nobody's fault.
        if error.code not in (Code.TOKEN_EXPIRED, Code.UNAVAILABLE):
            await counting.take(FAILED_TOKENS)
        raise
