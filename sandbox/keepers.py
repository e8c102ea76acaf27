"""Servers that use a sandbox started by one of them: it outlives any that is killed, and ends after the last.

So a phone can pay while its server is down, and the server finds out when it is back.
"""

from __future__ import annotations

import asyncio
import time

from aiohttp import web

from sandbox.delivery import Delivery, Endpoint

# A keeper says each second that it is there.
_LIVES_SECONDS = 5.0
_LOOK_EVERY_SECONDS = 0.2


class Keepers:
    """``linger``: seconds without a keeper after which it is over; None: never."""

    def __init__(self, delivery: Delivery, secret: str, linger: float | None) -> None:
        self.over = asyncio.Event()
        self._delivery = delivery
        self._secret = secret
        self._linger = linger
        self._seen: dict[str, tuple[float, str]] = {}
        self._last = time.monotonic()
        self._left = False

    def routes(self) -> list[web.RouteDef]:
        return [
            web.put("/_sandbox/keepers/{name}", self.keep),
            web.delete("/_sandbox/keepers/{name}", self.leave),
        ]

    async def keep(self, request: web.Request) -> web.Response:
        """``{webhook}``: where this keeper is sent events, with those of the others who live."""
        url = str((await request.json())["webhook"])
        self._last, self._left = time.monotonic(), False
        self._seen[request.match_info["name"]] = (self._last, url)
        if self._linger is not None:
            urls = dict.fromkeys(url for _, url in self._living().values())
            self._delivery.endpoints[:] = [Endpoint(url, [self._secret]) for url in urls]
        return web.json_response({})

    async def leave(self, request: web.Request) -> web.Response:
        self._seen.pop(request.match_info["name"], None)
        self._left = True
        return web.json_response({})

    def _living(self) -> dict[str, tuple[float, str]]:
        now = time.monotonic()
        self._seen = {name: one for name, one in self._seen.items() if one[0] > now - _LIVES_SECONDS}
        return self._seen

    async def watch(self) -> None:
        """Ends it: at once when the last keeper left by itself, after a while when it was killed."""
        while not self._is_over():  # noqa: ASYNC110 - time passes
            await asyncio.sleep(_LOOK_EVERY_SECONDS)
        self.over.set()

    def _is_over(self) -> bool:
        if self._linger is None:
            return False
        return (self._left and not self._living()) or time.monotonic() > self._last + self._linger
