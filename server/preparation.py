"""A node whose database does not answer yet: it tries again, and refuses meanwhile what needs the database."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from domain.errors import DomainError, unavailable

log = structlog.get_logger("node")

# A node that is not prepared by then listens, and that is logged.
LISTEN_AFTER_SECONDS = 5.0
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.2, 2.0
_NEED_THE_DATABASE = ("/v1/",)


async def prepare_when_it_answers(prepare: Callable[[], Awaitable[None]]) -> None:
    """Return once ``prepare`` has succeeded; ``unavailable`` is tried again, anything else is raised."""
    pause, logged = _FIRST_PAUSE_SECONDS, False
    while True:
        try:
            await prepare()
        except DomainError:
            if not logged:
                log.warning("MongoDB does not answer; trying again")
            logged = True
        else:
            if logged:
                log.info("MongoDB answers")
            return
        await asyncio.sleep(pause * random.uniform(0.5, 1.0))
        pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)


def refusing_until(prepared: Callable[[], bool]) -> Middleware:
    """``unavailable`` for every route of the service until the database is prepared."""

    @web.middleware
    async def refuse(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path.startswith(_NEED_THE_DATABASE) and not prepared():
            raise unavailable()
        return await handler(request)

    return refuse
