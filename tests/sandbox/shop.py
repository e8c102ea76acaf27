"""What a platform, its trainers and its clients do at Stripe."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import stripe

from sandbox.server import PUBLISHABLE_KEY, SECRET_KEY

BACK = "http://127.0.0.1:1/back"
REFRESH = "http://127.0.0.1:1/refresh"


@dataclass
class Shop:
    url: str
    http: aiohttp.ClientSession
    platform: stripe.StripeClient
    phone: stripe.StripeClient
    """With the publishable key."""

    @classmethod
    @asynccontextmanager
    async def opened(cls, url: str, http: aiohttp.ClientSession) -> AsyncIterator[Shop]:
        transport = stripe.AIOHTTPClient()

        def client(key: str) -> stripe.StripeClient:
            return stripe.StripeClient(
                key, base_addresses={"api": url}, http_client=transport, max_network_retries=0,
                stripe_version="2026-05-27.dahlia",
            )  # fmt: skip

        yield cls(url, http, client(SECRET_KEY), client(PUBLISHABLE_KEY))
        await transport.close_async()  # type: ignore[no-untyped-call]

    async def control(self, method: str, path: str, /, **body: Any) -> dict[str, Any]:
        async with self.http.request(method, f"{self.url}/_sandbox{path}", json=body) as response:
            answer: dict[str, Any] = await response.json()
            assert response.status == 200, answer
            return answer

    async def account(self) -> str:
        asked: Any = {"transfers": {"requested": True}, "card_payments": {"requested": True}}
        made = await self.platform.v1.accounts.create_async(
            {"type": "express", "country": "US", "email": "t@example.com", "capabilities": asked}
        )
        return made.id

    async def seller(self) -> str:
        """An account that is through with its onboarding."""
        id = await self.account()
        await self.control("POST", f"/accounts/{id}/onboard")
        return id

    async def intent(self, seller: str | None = None, **more: Any) -> stripe.PaymentIntent:
        params: Any = {"amount": 5000, "currency": "usd", **more}
        if seller:
            params |= {"transfer_data": {"destination": seller}, "application_fee_amount": 500}
        return await self.platform.v1.payment_intents.create_async(params)

    async def confirm(self, intent: stripe.PaymentIntent, card: str = "pm_card_visa") -> stripe.PaymentIntent:
        """As a phone does."""
        assert intent.client_secret is not None
        params: Any = {"client_secret": intent.client_secret, "payment_method": card}
        return await self.phone.v1.payment_intents.confirm_async(intent.id, params)

    async def paid(self, seller: str | None = None, card: str = "pm_card_visa", **more: Any) -> stripe.PaymentIntent:
        intent = await self.intent(seller, **more)
        await self.confirm(intent, card)
        return await self.platform.v1.payment_intents.retrieve_async(intent.id)

    async def net(self, account: str | None = None) -> int:
        """All that an account has, pending and available."""
        options: Any = {"stripe_account": account} if account else {}
        found = await self.platform.v1.balance.retrieve_async(None, options)
        parts: list[Any] = [*found.available, *found.pending]
        return sum(one.amount for one in parts)

    async def types(self) -> list[str]:
        """Of all events until now, oldest first."""
        found = await self.platform.v1.events.list_async({"limit": 100})
        return [event.type for event in reversed(found.data)]
