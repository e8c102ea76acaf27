"""What is done about payments, each begun at one node and gone on with at another, whatever happens in between."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sandbox.delivery import Endpoint
from sandbox.server import WEBHOOK_SECRET
from tests.bookings.market import Answer, Data, Somebody
from tests.payments.books import Books, reconcile
from tests.payments.shop import DECLINED, PRICES, Shop


@dataclass
class PaymentParties:
    """A client and a trainer, and a node at which something is done for them. The others' clock is late until then:
    they leave it alone."""

    shop: Shop
    trainer: Somebody
    client: Somebody
    admin: Somebody
    hour: int = 12
    sold: Data = field(default_factory=dict)

    @property
    def books(self) -> Books:
        return Books(self.shop, self.client, self.trainer)

    async def transaction(self) -> Data:
        listed = await self.shop.market.call("GET", "/transactions", None, self.client)
        (found,) = listed.body["items"]
        return dict(found)

    async def is_worked(self) -> bool:
        """The events at the node are over, and what followed from them."""
        database = self.shop.market.nodes[0].database
        if self.shop.sandbox.delivery.pending:
            return False
        waiting: dict[str, Data] = {
            "stripeEvents": {"dueAt": {"$exists": True}},
            "paymentNotices": {},
            "outbox": {},
        }
        found = [await database.collection(name).find_one(query, {"_id": 1}) for name, query in waiting.items()]
        return not any(found)


# Those who can only do it once.
NEW_TRAINER = frozenset({"onboarding", "onboarded", "trainer erased"})


async def trainer_for(shop: Shop, kind: str) -> Somebody:
    return await shop.market.trainer() if kind in ("onboarding", "onboarded") else await shop.seller()


class Operation:
    """``prepare`` before the node is there, ``begin`` at the node that dies, ``again`` at another by whoever waited for
    it, and what there has to be in the end."""

    # Its node works by itself from its start on.
    at_start = False
    # Of Spotter's own calls, not those that make what is worked on.
    calls = r"/v1/(?!payment_intents/\w+/confirm).*"
    method = ""
    # What the node is told by Stripe.
    events: tuple[str, ...] = ()
    # How long before the node's start everything was prepared.
    ago = timedelta(seconds=10)

    async def prepare(self, parties: PaymentParties) -> None: ...

    async def begin(self, parties: PaymentParties) -> object:
        return None

    async def is_done(self, parties: PaymentParties) -> bool:
        return True

    async def again(self, parties: PaymentParties) -> None: ...

    async def end(self, parties: PaymentParties) -> None: ...


def node(parties: PaymentParties) -> int:
    return len(parties.shop.market.urls) - 1


def soon(parties: PaymentParties) -> datetime:
    """When the node has started, and before that for the others."""
    return parties.shop.market.clock() + timedelta(seconds=5)


class Onboarding(Operation):
    async def begin(self, parties: PaymentParties) -> object:
        at, market = node(parties), parties.shop.market
        return await market.call("POST", "/me/stripe/onboarding", None, parties.trainer, node=at)

    async def again(self, parties: PaymentParties) -> None:
        await parties.shop.onboard(parties.trainer)

    async def end(self, parties: PaymentParties) -> None:
        made = [
            one
            for one in parties.shop.sandbox.state.all("account")
            if one["metadata"].get("trainer") == parties.trainer.profile
        ]
        # A fault that Stripe keeps may cost another one, which nobody is ever sent to.
        assert 1 <= len(made) <= 2
        profile = await parties.shop.market.store.profiles.by_id("trainer", parties.trainer.profile)
        assert profile is not None
        (used,) = [one["id"] for one in made if one["details_submitted"]]
        assert profile.stripe_connect_account_id == used
        answer = await parties.shop.market.call("GET", "/me/stripe", None, parties.trainer)
        assert answer.body["chargesEnabled"] is True


class Onboarded(Operation):
    """The event that says so."""

    events: tuple[str, ...] = ("account.updated",)

    async def prepare(self, parties: PaymentParties) -> None:
        answer = await parties.shop.market.call("POST", "/me/stripe/onboarding", None, parties.trainer)
        parties.sold = answer.body

    async def begin(self, parties: PaymentParties) -> object:
        async with parties.shop.market.http.post(parties.sold["url"], allow_redirects=False) as page:
            return page.status

    async def is_done(self, parties: PaymentParties) -> bool:
        return await parties.is_worked()

    async def end(self, parties: PaymentParties) -> None:
        answer = await parties.shop.market.call("GET", "/me/profile", None, parties.trainer)
        assert answer.body["isStripeConnected"] is True


class Purchase(Operation):
    async def _buy(self, parties: PaymentParties, at: int) -> Answer:
        return await parties.shop.buy(parties.client, parties.trainer, "five", key=parties.client.id, node=at)

    async def begin(self, parties: PaymentParties) -> object:
        return await self._buy(parties, node(parties))

    async def again(self, parties: PaymentParties) -> None:
        answer = await self._buy(parties, 0)
        assert answer.status == 201, answer
        parties.sold = answer.body
        assert await parties.shop.pay(answer.body) == 200

    async def end(self, parties: PaymentParties) -> None:
        (one,) = await parties.books.check()
        assert (one.status, await parties.shop.market.balance(parties.client, parties.trainer)) == ("paid", 5)


class Fulfilment(Operation):
    """By an event."""

    events: tuple[str, ...] = ("payment_intent.succeeded",)

    async def prepare(self, parties: PaymentParties) -> None:
        parties.sold = await parties.shop.bought(parties.client, parties.trainer, "five")

    async def begin(self, parties: PaymentParties) -> object:
        return await parties.shop.pay(parties.sold)

    async def is_done(self, parties: PaymentParties) -> bool:
        return await parties.is_worked()

    async def end(self, parties: PaymentParties) -> None:
        (one,) = await parties.books.check()
        assert (one.status, await parties.shop.market.balance(parties.client, parties.trainer)) == ("paid", 5)


class Read(Fulfilment):
    """By who asks for the purchase."""

    events: tuple[str, ...] = ()

    async def prepare(self, parties: PaymentParties) -> None:
        await super().prepare(parties)
        await parties.shop.pay(parties.sold)

    async def begin(self, parties: PaymentParties) -> object:
        return await parties.shop.purchase(parties.client, parties.sold, node=node(parties))

    async def is_done(self, parties: PaymentParties) -> bool:
        return True

    async def again(self, parties: PaymentParties) -> None:
        assert (await parties.shop.purchase(parties.client, parties.sold))["status"] == "paid"


class Found(Fulfilment):
    """By the durable work of the node: nobody was told."""

    events: tuple[str, ...] = ()
    at_start = True
    ago = timedelta(minutes=3)

    async def prepare(self, parties: PaymentParties) -> None:
        await super().prepare(parties)
        await parties.shop.pay(parties.sold)

    async def begin(self, parties: PaymentParties) -> object:
        return None

    async def is_done(self, parties: PaymentParties) -> bool:
        return (await parties.transaction())["status"] == "paid" and await parties.is_worked()


class Abandoned(Fulfilment):
    """Nobody has paid for a day."""

    events: tuple[str, ...] = ()
    at_start = True
    ago = timedelta(hours=25)

    async def begin(self, parties: PaymentParties) -> object:
        return None

    async def is_done(self, parties: PaymentParties) -> bool:
        return bool((await parties.transaction())["status"] == "failed")

    async def end(self, parties: PaymentParties) -> None:
        (one,) = await parties.books.check()
        assert (one.status, one.closed) == ("failed", True)
        assert await parties.shop.pay(parties.sold) >= 400


class Hold(Operation):
    async def _hold(self, parties: PaymentParties, at: int) -> Answer:
        market = parties.shop.market
        start = market.at(parties.hour)
        client, trainer = parties.client, parties.trainer
        return await market.book(client, trainer, start, pay_with="card", key=client.id, node=at)

    async def begin(self, parties: PaymentParties) -> object:
        return await self._hold(parties, node(parties))

    async def again(self, parties: PaymentParties) -> None:
        answer = await self._hold(parties, 0)
        assert answer.status == 201, answer
        parties.sold = answer.body
        assert await parties.shop.pay(answer.body) == 200

    async def end(self, parties: PaymentParties) -> None:
        await self.ends_as(parties, "paid", "confirmed")

    async def ends_as(self, parties: PaymentParties, status: str, booking: str) -> None:
        (one,) = await parties.books.check()
        assert one.booking_id is not None
        found = await parties.shop.market.store.bookings.by_id(one.booking_id)
        assert found is not None
        assert (one.status, found.status) == (status, booking)
        # The slot is free again, or it is not.
        other = await parties.shop.market.client()
        start = found.starts_at
        answer = await parties.shop.market.book(other, parties.trainer, start, pay_with="card")
        assert answer.status == (409 if booking == "confirmed" else 201), answer
        if answer.status == 201:
            await parties.shop.market.cancel(answer.body, other)


class HoldPaid(Hold):
    events: tuple[str, ...] = ("payment_intent.succeeded",)
    card = "pm_card_visa"

    async def prepare(self, parties: PaymentParties) -> None:
        answer = await self._hold(parties, 0)
        assert answer.status == 201, answer
        parties.sold = answer.body

    async def begin(self, parties: PaymentParties) -> object:
        return await parties.shop.pay(parties.sold, self.card)

    async def is_done(self, parties: PaymentParties) -> bool:
        return await parties.is_worked()

    async def again(self, parties: PaymentParties) -> None: ...


class HoldDeclined(HoldPaid):
    events: tuple[str, ...] = ("payment_intent.payment_failed",)
    card = DECLINED

    async def end(self, parties: PaymentParties) -> None:
        await self.ends_as(parties, "failed", "expired")


class HoldEnded(HoldPaid):
    events: tuple[str, ...] = ()
    at_start = True
    ago = timedelta(minutes=16)

    async def begin(self, parties: PaymentParties) -> object:
        return None

    async def is_done(self, parties: PaymentParties) -> bool:
        return (await parties.transaction())["status"] == "failed" and await parties.is_worked()

    async def end(self, parties: PaymentParties) -> None:
        await self.ends_as(parties, "failed", "expired")
        assert await parties.shop.pay(parties.sold) >= 400


class HoldEndedPaid(HoldEnded):
    """In its last second, and nobody was told."""

    async def prepare(self, parties: PaymentParties) -> None:
        await super().prepare(parties)
        assert await parties.shop.pay(parties.sold) == 200

    async def is_done(self, parties: PaymentParties) -> bool:
        return (await parties.transaction())["status"] == "paid" and await parties.is_worked()

    async def end(self, parties: PaymentParties) -> None:
        (one,) = await parties.books.check()
        assert one.status == "paid"


class Refund(Fulfilment):
    events: tuple[str, ...] = ()

    async def prepare(self, parties: PaymentParties) -> None:
        await super().prepare(parties)
        await parties.shop.pay(parties.sold)
        assert (await parties.shop.purchase(parties.client, parties.sold))["status"] == "paid"
        await reconcile(parties.shop)

    async def _refund(self, parties: PaymentParties, at: int) -> Answer:
        path = f"/admin/transactions/{parties.sold['id']}/refund"
        market = parties.shop.market
        return await market.call("POST", path, {"credits": 2}, parties.admin, key=parties.client.id, node=at)

    async def begin(self, parties: PaymentParties) -> object:
        return await self._refund(parties, node(parties))

    async def is_done(self, parties: PaymentParties) -> bool:
        return True

    async def again(self, parties: PaymentParties) -> None:
        answer = await self._refund(parties, 0)
        assert (answer.status, answer.body["status"]) == (200, "partially_refunded")

    async def end(self, parties: PaymentParties) -> None:
        (one,) = await parties.books.check()
        assert (one.credits_refunded, one.amount_refunded) == (2, PRICES["five"] * 2 // 5)
        assert await parties.shop.market.balance(parties.client, parties.trainer) == 3


class RefundElsewhere(Refund):
    method = "GET"
    events: tuple[str, ...] = ("charge.refunded",)

    async def begin(self, parties: PaymentParties) -> object:
        transaction = await parties.transaction()
        amount = str(PRICES["five"] * 2 // 5)
        return await parties.shop.stripe(
            "POST", "/refunds", payment_intent=transaction["transactionId"], amount=amount
        )

    async def is_done(self, parties: PaymentParties) -> bool:
        return await parties.is_worked()

    async def again(self, parties: PaymentParties) -> None: ...


class RefundFailed(Refund):
    """A bank sends it back: the trainer's part is transferred anew."""

    events: tuple[str, ...] = ("refund.failed",)

    async def prepare(self, parties: PaymentParties) -> None:
        await super().prepare(parties)
        # What is transferred anew is the platform's first.
        await parties.shop.control("POST", "/balance", amount=10_000_000)
        answer = await self._refund(parties, 0)
        assert answer.status == 200, answer
        await reconcile(parties.shop)
        made = await parties.shop.stripe("GET", "/refunds", payment_intent=answer.body["transactionId"])
        parties.sold = {**parties.sold, "refund": made["data"][0]["id"]}

    async def begin(self, parties: PaymentParties) -> object:
        return await parties.shop.control("POST", f"/refunds/{parties.sold['refund']}/fail")

    async def is_done(self, parties: PaymentParties) -> bool:
        return await parties.is_worked()

    async def again(self, parties: PaymentParties) -> None: ...

    async def end(self, parties: PaymentParties) -> None:
        (one,) = await parties.books.check()
        assert (one.status, one.credits_refunded) == ("paid", 0)
        assert await parties.shop.market.balance(parties.client, parties.trainer) == 5


class RefundAfterDispute(Refund):
    """That was won: the trainer's part lies in another transfer."""

    async def prepare(self, parties: PaymentParties) -> None:
        await super().prepare(parties)
        shop, transaction = parties.shop, await parties.transaction()
        await shop.control("POST", "/balance", amount=10_000_000)
        made = await shop.control("POST", "/disputes", payment_intent=transaction["transactionId"])
        shop.sandbox.delivery.endpoints.append(shop.endpoint())
        await shop.control("POST", "/events", type="charge.dispute.updated", object=made["id"])
        await reconcile(shop)
        await shop.control("POST", f"/disputes/{made['id']}/close", outcome="won")
        await reconcile(shop)
        shop.sandbox.delivery.endpoints.clear()
        assert (await parties.transaction())["dispute"] == "won"


class Disputed(Refund):
    events: tuple[str, ...] = ("charge.dispute.created",)

    async def begin(self, parties: PaymentParties) -> Any:
        transaction = await parties.transaction()
        return await parties.shop.control("POST", "/disputes", payment_intent=transaction["transactionId"])

    async def is_done(self, parties: PaymentParties) -> bool:
        return await parties.is_worked()

    async def again(self, parties: PaymentParties) -> None: ...

    async def end(self, parties: PaymentParties) -> None:
        await self.ends_as(parties, "open", 0)

    async def ends_as(self, parties: PaymentParties, dispute: str, balance: int) -> None:
        (one,) = await parties.books.check()
        assert (one.dispute, one.credits_frozen) == (dispute, 5 - balance)
        assert await parties.shop.market.balance(parties.client, parties.trainer) == balance


class DisputeWon(Disputed):
    events: tuple[str, ...] = ("charge.dispute.closed",)
    outcome = "won"

    async def prepare(self, parties: PaymentParties) -> None:
        await super().prepare(parties)
        shop = parties.shop
        # What is transferred anew is the platform's first.
        await shop.control("POST", "/balance", amount=10_000_000)
        made = await super().begin(parties)
        parties.sold = {**parties.sold, "dispute": made["id"]}
        shop.sandbox.delivery.endpoints.append(Endpoint(f"{shop.market.urls[0]}/v1/webhooks/stripe", [WEBHOOK_SECRET]))
        await shop.control("POST", "/events", type="charge.dispute.updated", object=made["id"])
        await reconcile(shop)
        shop.sandbox.delivery.endpoints.clear()
        assert (await parties.transaction())["dispute"] == "open"

    async def begin(self, parties: PaymentParties) -> object:
        path = f"/disputes/{parties.sold['dispute']}/close"
        return await parties.shop.control("POST", path, outcome=self.outcome)

    async def end(self, parties: PaymentParties) -> None:
        await self.ends_as(parties, "won", 5)


class DisputeLost(DisputeWon):
    outcome = "lost"

    async def end(self, parties: PaymentParties) -> None:
        await self.ends_as(parties, "lost", 0)


class ErasedClient(Refund):
    """What is left of what was bought is refunded."""

    at_start = True

    async def prepare(self, parties: PaymentParties) -> None:
        await super().prepare(parties)
        await self.erase(parties)

    async def erase(self, parties: PaymentParties) -> None:
        await parties.shop.market.store.erasures.erase(parties.client.user, soon(parties))

    async def begin(self, parties: PaymentParties) -> object:
        return None

    async def is_done(self, parties: PaymentParties) -> bool:
        (one,) = await parties.shop.market.store.transactions.page(None, 10, client_id=parties.client.profile)
        return one.status == "refunded" and await parties.is_worked()

    async def again(self, parties: PaymentParties) -> None: ...

    def books(self, parties: PaymentParties) -> Books:
        return Books(parties.shop, parties.client, parties.trainer, reader=parties.trainer)

    async def end(self, parties: PaymentParties) -> None:
        (one,) = await self.books(parties).check()
        assert (one.status, one.credits_refunded) == ("refunded", 5)
        assert await parties.shop.market.balance(parties.client, parties.trainer) == 0
        customers = [each["metadata"].get("client") for each in parties.shop.sandbox.state.all("customer")]
        assert parties.client.profile not in customers


class ErasedTrainer(ErasedClient):
    async def erase(self, parties: PaymentParties) -> None:
        await parties.shop.market.store.erasures.erase(parties.trainer.user, soon(parties))

    def books(self, parties: PaymentParties) -> Books:
        return Books(parties.shop, parties.client, parties.trainer)

    async def end(self, parties: PaymentParties) -> None:
        (one,) = await self.books(parties).check()
        assert (one.status, one.credits_refunded) == ("refunded", 5)
        assert await parties.shop.market.balance(parties.client, parties.trainer) == 0


OPERATIONS: dict[str, type[Operation]] = {
    "onboarding": Onboarding,
    "onboarded": Onboarded,
    "purchase": Purchase,
    "fulfilment by event": Fulfilment,
    "fulfilment by reading": Read,
    "fulfilment by durable work": Found,
    "a purchase that nobody pays": Abandoned,
    "hold": Hold,
    "hold paid": HoldPaid,
    "hold declined": HoldDeclined,
    "hold ended": HoldEnded,
    "hold ended when it was paid": HoldEndedPaid,
    "refund": Refund,
    "refund elsewhere": RefundElsewhere,
    "refund that fails": RefundFailed,
    "refund after a dispute": RefundAfterDispute,
    "dispute": Disputed,
    "dispute won": DisputeWon,
    "dispute lost": DisputeLost,
    "client erased": ErasedClient,
    "trainer erased": ErasedTrainer,
}
