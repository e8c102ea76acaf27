"""The one adapter between HTTP and the handlers."""

from __future__ import annotations

from functools import partial

from aiohttp import web

from domain.accounts import unauthenticated
from domain.errors import Code, DomainError
from domain.networks import network_of
from domain.wire import codec, validation_errors
from handlers.access import Actor, Visitor
from rest.answering import answered_in_time
from rest.limits import ADDRESS, FAILED_SESSION, FAILED_TOKENS, VISITORS, Counting
from rest.requests import Parser
from rest.route import HttpHandler, Route, Services
from rest.tables import prefers_table, table_response
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
        try:
            await counting.count(route.rate, getattr(command, "email", None))
        except DomainError as error:
            raise validation_errors.of_command(command, error) from None
        budget.owner, budget.bulk = owner_of(caller), route.bulky
        budget.network = network_of(caller.address)
        handler = route.table if route.table is not None and prefers_table(request) else route.handler
        try:
            result = await handler(services.context, caller, command)
        except DomainError as error:
            if error.code is Code.VALIDATION_FAILED:
                await counting.give_back()
            raise validation_errors.of_command(command, error) from None
        if handler is route.table:
            return table_response(result, route.path.rpartition("/")[2])
        # A repeat under an idempotency key answers an object where the first answered nothing.
        if result is None or route.answer is None:
            return web.Response(status=204)
        return web.Response(status=route.success, body=codec.encode(result), content_type="application/json")

    async def handle(request: web.Request) -> web.Response:
        return await answered_in_time(Budget(), partial(answer, request))

    return handle


def owner_of(caller: Actor | Visitor) -> str:
    """Whose reads wait for each other: a visitor's are those of its network."""
    return caller.user_id if isinstance(caller, Actor) else network_of(caller.address)


async def caller_of(request: web.Request, services: Services, *, public: bool) -> Actor | Visitor:
    """Raises ``unauthenticated`` or ``token_expired`` where a token is needed; ``rate_limited`` before anything is
    read for an address that asks too much or shows too many tokens of nobody, and for a session that ended.

    Whoever shares a network with a flood of bad tokens is kept out by none of them: that a token is signed is known
    before anything is counted."""
    forwarded = ",".join(request.headers.getall("X-Forwarded-For", ())) or None
    address = services.client_address(request.remote, forwarded)
    visitor = Visitor(address, request.headers.get("User-Agent", "")[:_AGENT_CHARACTERS])
    counting = Counting(services.limiter, request, visitor)
    if public:
        await counting.take(VISITORS)
        return visitor
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise unauthenticated()
    try:
        claims = services.authenticator.claims(token.strip())
    except DomainError as error:
        # Every client's token expires.
        if error.code is not Code.TOKEN_EXPIRED:
            await counting.take(FAILED_TOKENS)
        raise
    await counting.require_room(FAILED_SESSION, claims.session_id)
    await counting.take(ADDRESS)
    try:
        return await services.authenticator.actor(claims, address)
    except DomainError as error:
        # A database that is away is nobody's fault.
        if error.code is not Code.UNAVAILABLE:
            await counting.take(FAILED_SESSION, claims.session_id)
        raise
