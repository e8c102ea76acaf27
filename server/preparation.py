"""A node whose database does not answer yet: it tries again, and refuses meanwhile what needs the database."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from domain.errors import DomainError, unavailable
from store.backoff import ExponentialBackoff
from store.reachability import kind_of

log = structlog.get_logger("node")

# A node that is not prepared by then listens, and that is logged.
LISTEN_AFTER_SECONDS = 5.0
_BACKOFF = ExponentialBackoff(first=0.2, longest=2.0)
_NEED_THE_DATABASE = ("/v1/",)


async def prepare_when_it_answers(prepare: Callable[[], Awaitable[None]]) -> None:
    """Return once ``prepare`` has succeeded; ``unavailable`` is tried again, anything else is raised."""
    attempts = 0
    told: set[str] = set()
    while True:
        attempts += 1
        try:
            await prepare()
        except DomainError as error:
            # Each cause once: a server that starts refuses connections before it has no primary.
            if (cause := kind_of(error)) not in told:
                told.add(cause)
                log.warning("MongoDB does not answer; trying again", cause=cause)
        else:
            if attempts > 1:
                log.info("MongoDB answers")
            return
        await asyncio.sleep(_BACKOFF.pause(attempts))


def refusing_until(prepared: Callable[[], bool]) -> Middleware:
    """``unavailable`` for every route of the service until the database is prepared."""

    @web.middleware
    async def refuse(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path.startswith(_NEED_THE_DATABASE) and not prepared():
            raise unavailable()
        return await handler(request)

    return refuse
