"""Somebody who is sent webhooks, and verifies them with the library."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import stripe
from aiohttp import web


class Receiver:
    def __init__(self, *secrets: str) -> None:
        self.url = ""
        self.secrets = secrets or ("whsec_one",)
        self.events: list[stripe.Event] = []
        self.refused = 0
        self.failures = 0
        """How many are answered 500 from now on."""
        self._grown = asyncio.Condition()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Receiver]:
        app = web.Application()
        app.router.add_post("/hook", self._take)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
        yield self
        await runner.cleanup()

    async def has(self, number: int) -> list[stripe.Event]:
        """Wait until so many came in."""
        async with asyncio.timeout(30), self._grown:
            await self._grown.wait_for(lambda: len(self.events) + self.refused >= number)
        return self.events

    async def _take(self, request: web.Request) -> web.Response:
        body, header = await request.read(), request.headers["Stripe-Signature"]
        async with self._grown:
            self._grown.notify_all()
            if self.failures:
                self.failures -= 1
                return web.Response(status=500)
            for secret in self.secrets:
                try:
                    self.events.append(stripe.Webhook.construct_event(body, header, secret))
                except stripe.SignatureVerificationError:
                    continue
                return web.Response()
            self.refused += 1
            return web.Response(status=400)
