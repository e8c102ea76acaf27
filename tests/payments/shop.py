"""A market with Stripe's sandbox beside it: trainers who sell, clients who pay, both over real HTTP."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

from sandbox.delivery import Endpoint
from sandbox.server import SECRET_KEY, WEBHOOK_SECRET, Sandbox
from tests.bookings.market import Answer, Data, Market, Somebody
from tests.harness.waiting import eventually

PRICES = {"single": 5000, "five": 22500, "ten": 40001}
GOOD, DECLINED = "pm_card_visa", "pm_card_chargeDeclined"


@dataclass
class Shop:
    market: Market
    sandbox: Sandbox
    _keys: itertools.count[int] = field(default_factory=itertools.count)

    # --- trainers ---

    async def seller(self) -> Somebody:
        """One who may take money, with all packs."""
        trainer = await self.market.trainer()
        await self.price(trainer, PRICES)
        await self.onboard(trainer)
        return trainer

    async def price(self, trainer: Somebody, prices: dict[str, int]) -> None:
        body: Data = {"cancelReshedulePolicy": "ALWAYS_FREE"}
        for pack, price, offered in (
            ("single", "individualSessionPrice", "isIndividualSesionAvailable"),
            ("five", "fiveSessionPrice", "isFiveSessionAvailable"),
            ("ten", "tenSessionPrice", "isTenSessionAvailable"),
        ):
            if pack in prices:
                body |= {price: prices[pack], offered: True}
        assert (await self.market.call("PUT", "/me/pricing", body, trainer)).status == 200

    async def onboard(self, trainer: Somebody) -> None:
        """As its owner does: the page has one form, posted to its own URL."""
        answer = await self.market.call("POST", "/me/stripe/onboarding", None, trainer)
        assert answer.status == 200, answer
        async with self.market.http.post(answer.body["url"], allow_redirects=False) as page:
            assert page.status == 303

    # --- clients ---

    async def buy(
        self, client: Somebody, trainer: Somebody, pack: str = "five", *, key: str | None = None, node: int = 0
    ) -> Answer:
        body = {"trainerId": trainer.profile, "pack": pack}
        return await self.market.call(
            "POST", "/purchases", body, client, key=key or f"buy-{next(self._keys)}", node=node
        )

    async def bought(self, client: Somebody, trainer: Somebody, pack: str = "five") -> Data:
        answer = await self.buy(client, trainer, pack)
        assert answer.status == 201, answer
        found: Data = answer.body
        return found

    async def pay(self, purchase: Data, card: str = GOOD) -> int:
        """As the mobile SDKs do; answers Stripe's status."""
        payment = purchase["payment"]
        intent_id = payment["clientSecret"].partition("_secret_")[0]
        form = {"client_secret": payment["clientSecret"], "payment_method": card}
        headers = {"Authorization": f"Bearer {payment['publishableKey']}"}
        url = f"{payment['apiBase']}/v1/payment_intents/{intent_id}/confirm"
        async with self.market.http.post(url, data=form, headers=headers) as response:
            return response.status

    async def purchase(self, client: Somebody, purchase: Data, *, node: int = 0) -> Data:
        answer = await self.market.call("GET", f"/purchases/{purchase['id']}", None, client, node=node)
        assert answer.status == 200, answer
        found: Data = answer.body
        return found

    async def entries(self, client: Somebody) -> list[Data]:
        """The payments in the log, as the client reads it."""
        answer = await self.market.call("POST", "/sync", {"cursors": {}}, client)
        return [
            entry["message"]["payment"]
            for conversation in answer.body["conversations"]
            for entry in conversation["entries"]
            if entry["message"]["kind"] == "payment"
        ]

    async def told(self, client: Somebody, count: int) -> None:
        """Waits for so many payments in the log."""

        async def are_there() -> bool:
            return len(await self.entries(client)) >= count

        await eventually(are_there)

    # --- Stripe ---

    def endpoint(self, node: int = 0) -> Endpoint:
        return Endpoint(f"{self.market.urls[node]}/v1/webhooks/stripe", [WEBHOOK_SECRET])

    async def stripe(
        self, method: str, path: str, /, *, headers: dict[str, str] | None = None, **params: Any
    ) -> Data:
        headers = {"Authorization": f"Bearer {SECRET_KEY}", **(headers or {})}
        place: Data = {"params": params} if method == "GET" else {"data": params}
        async with self.market.http.request(
            method, f"{self.sandbox.url}/v1{path}", headers=headers, **place
        ) as response:
            found: Data = await response.json()
            assert response.status == 200, found
            return found

    async def control(self, method: str, path: str, /, **body: Any) -> Data:
        async with self.market.http.request(method, f"{self.sandbox.url}/_sandbox{path}", json=body) as response:
            found: Data = await response.json()
            assert response.status == 200, found
            return found

    async def intents(self, purchase: Data) -> list[Data]:
        """Those at Stripe that were made for it."""
        found = await self.stripe("GET", "/payment_intents", limit=100)
        return [one for one in found["data"] if one["metadata"].get("purchase") == purchase["id"]]

    async def granted(self, client: Somebody, trainer: Somebody, credits: int) -> None:
        """Waits for it; the ledger and the balance agree."""

        async def is_there() -> bool:
            return await self.market.store.credits.balance(client.profile, trainer.profile) == credits

        await eventually(is_there)
        assert await self.market.balance(client, trainer) == credits
