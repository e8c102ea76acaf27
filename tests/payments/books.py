"""What Stripe, the transactions, the ledger, the bookings and the log say of somebody, compared."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import Any

from bson import ObjectId

from domain.earnings import net
from domain.payments import Transaction
from handlers.jobs import WEBHOOKS
from server.cluster.jobs import durable_jobs
from store.database import Document
from tests.bookings.market import Data, Somebody
from tests.harness.work import work_off
from tests.payments.shop import Shop

PAID = ("paid", "partially_refunded", "refunded")
# The rows by which durable work on payments waits.
_QUEUES = ("transactions", "refunds", "stripeEvents", "disputes", "trainerParts", "finalRefunds", "bookings")
# Rows of changes that are committed, and that the log may still lack.
_FOLLOWING = ("paymentNotices", "outbox")
# What would hide that something else was forgotten; and what has no rows here, of which there is much.
_NOT = ("comparison with Stripe", *WEBHOOKS)
_TIMEOUT_SECONDS = 90.0


async def reconcile(shop: Shop) -> None:
    """All that any node would do by now and in the next minutes; what Stripe still has to tell is told."""
    node, clock = shop.market.nodes[0], shop.market.clock
    async with asyncio.timeout(_TIMEOUT_SECONDS):
        while True:
            for job in durable_jobs(node.context):
                if job.name not in _NOT:
                    await work_off(job, clock)
            if not shop.sandbox.delivery.pending and not await is_left(shop):
                return
            # What a node's own loop has in hand, that one finishes; what failed is tried again later.
            await asyncio.sleep(0.02)
            clock.advance(seconds=5)


async def is_left(shop: Shop) -> bool:
    """Due, or in the hands of a node; whoever commits a change has what follows from it in hand, before it is due."""
    if any(node.durable_work.in_hand for node in shop.market.nodes):
        # Its row may say nothing of it: another has made it due again, and has finished it.
        return True
    now, database = shop.market.clock(), shop.market.nodes[0].database
    for name in _FOLLOWING:
        if await database.collection(name).find_one({"work.deadAt": None}, {"_id": 1}):
            return True
    for name in _QUEUES:
        in_hand: Document = {"work.since": {"$exists": True}, "work.deadAt": None, "dueAt": {"$exists": True}}
        if await database.collection(name).find_one({"$or": [{"dueAt": {"$lte": now}}, in_hand]}, {"_id": 1}):
            return True
    return False


@dataclass
class Books:
    """``reader``: of the log; one of the two who is not erased."""

    shop: Shop
    client: Somebody
    trainer: Somebody
    reader: Somebody | None = None

    async def check(self) -> list[Transaction]:
        """Everything agrees, once all durable work is done; answers the payments, the oldest first."""
        store = self.shop.market.store
        found = await store.transactions.page(None, 100, client_id=self.client.profile)
        transactions = [one for one in reversed(found) if one.trainer_id == self.trainer.profile]
        entries = await store.credits.entries(self.client.profile, self.trainer.profile)
        await self.shop.market.balance(self.client, self.trainer)
        grants = Counter(one.effect for one in entries if one.kind == "grant")
        reader = self.reader or self.client
        other = self.client if reader is self.trainer else self.trainer
        told, log = await self.shop.entries(reader), await self.shop.market.log(reader, other)
        frozen = -sum(one.amount for one in entries if one.kind == "dispute")
        assert frozen == sum(one.credits_frozen for one in transactions)
        for one in transactions:
            intent = self._intent(one)
            paid = intent is not None and intent["status"] == "succeeded"
            assert (one.status in PAID) == paid, (one, intent)
            confirmed = one.booking_id is not None and (one.booking_id, "confirmed") in {
                (entry["id"], entry["action"]) for entry in log
            }
            # Whatever is paid is a booking or credits, and nothing else is either.
            assert grants.pop(f"grant:{one.id}", 0) == int(paid and not confirmed), (one, confirmed)
            assert paid or not confirmed, one
            if intent is not None:
                await self._money(one, intent)
            await self._booking(one, paid)
            mine = Counter(entry["action"] for entry in told if entry["purchaseId"] == one.id)
            assert mine["disputed"] <= int(one.dispute is not None)
            assert mine["paid"] == int(paid), (one, mine)
            assert mine["refunded"] == await self._made_refunds(one), (one, mine)
        assert all(effect.startswith("grant:test-") for effect in grants), grants
        await self._nothing_set_aside(transactions)
        return transactions

    def _intent(self, one: Transaction) -> Any:
        """The only one that was ever made for it, and for what was sold."""
        state = self.shop.sandbox.state
        made = [intent for intent in state.all("payment_intent") if intent["metadata"].get("purchase") == one.id]
        assert len(made) <= 1, (one, made)
        if not made:
            assert one.intent_id is None
            return None
        (intent,) = made
        assert one.intent_id in (None, intent["id"])
        assert (intent["amount"], intent["currency"]) == (one.amount, one.currency)
        assert intent["transfer_data"]["destination"] == one.destination
        assert intent["application_fee_amount"] == one.fee
        if one.closed and one.intent_id is not None:
            assert intent["status"] == "canceled", (one, intent)
        return intent

    async def _money(self, one: Transaction, intent: Data) -> None:
        state = self.shop.sandbox.state
        charge = state.find(intent["latest_charge"] or "")
        if charge is None or charge["status"] != "succeeded":
            assert one.amount_refunded == 0
            return
        refunds = [
            refund
            for refund in state.all("refund")
            if refund["payment_intent"] == intent["id"] and refund["status"] == "succeeded"
        ]
        assert one.amount_refunded == charge["amount_refunded"] == sum(refund["amount"] for refund in refunds), one
        await self._credits_whose_money_has_gone(one)
        # No more than what its money paid for is taken.
        gone = min(one.amount, one.amount_refunded + one.amount_disputed)
        counted = one.credits_refunded + one.credits_frozen + one.credits_owed
        assert counted * one.amount <= (gone + one.credits) * one.credits, one
        # And no less, but for those of sessions that took place.
        assert counted >= gone * one.credits // one.amount, one
        disputes = [each for each in state.all("dispute") if each["payment_intent"] == intent["id"]]
        assert one.amount_disputed == sum(each["amount"] for each in disputes if each["status"] != "won"), one
        transfer, fee = state.find(charge["transfer"]), state.find(charge["application_fee"])
        assert transfer is not None and fee is not None
        assert disputes or (one.dispute is None and one.credits_frozen == 0)
        anew = [each for each in state.all("transfer") if each["metadata"].get("purchase") == one.id]
        earned = sum(each["amount"] - each["amount_reversed"] for each in [transfer, *anew])
        earned -= fee["amount"] - fee["amount_refunded"]
        assert earned == net(one), (one, earned, net(one))
        if await self.shop.market.store.trainer_parts.by_id(one.id) is None:
            # Stripe alone has seen to it.
            assert not disputes and not anew
            assert transfer["amount_reversed"] == transfer["amount"] * one.amount_refunded // one.amount
            assert fee["amount_refunded"] == fee["amount"] * one.amount_refunded // one.amount
            assert one.amount_refunded == one.amount * one.credits_refunded // one.credits

    async def _credits_whose_money_has_gone(self, one: Transaction) -> None:
        """None of them has come back from a session and stayed."""
        assert one.credits_refunded + one.credits_frozen + one.credits_owed <= one.credits
        store, database = self.shop.market.store, self.shop.market.nodes[0].database
        owed = await database.collection("owedCredits").find({"transaction": ObjectId(one.id)}).to_list(None)
        assert sum(row["credits"] for row in owed) == one.credits_owed
        entries = await store.credits.entries(one.client_id, one.trainer_id)
        for row in owed:
            for entry in entries:
                if entry.kind == "return" and entry.created_at > row["createdAt"]:
                    booking = await store.bookings.by_id(entry.booking_id or "")
                    assert booking is not None
                    taken = {each.kind for each in entries if each.booking_id == booking.id} & {"refund", "dispute"}
                    may_hold = row.get("booking") in (None, ObjectId(booking.id))
                    assert taken or booking.created_at > row["createdAt"] or not may_hold, (one, booking)

    async def _booking(self, one: Transaction, paid: bool) -> None:
        if one.booking_id is None:
            return
        booking = await self.shop.market.store.bookings.by_id(one.booking_id)
        assert booking is not None
        if booking.status == "held":
            assert not paid and one.is_open and (booking.held_until or booking.starts_at) > self.shop.market.clock()

    async def _made_refunds(self, one: Transaction) -> int:
        """None is under way any more."""
        rows = self.shop.market.nodes[0].database.collection("refunds")
        made = 0
        async for row in rows.find({"transaction": ObjectId(one.id)}):
            assert ("refundId" in row) != row.get("refused", False), row
            made += "refundId" in row
        return made

    async def _nothing_set_aside(self, transactions: list[Transaction]) -> None:
        """Of these two people's."""
        database = self.shop.market.nodes[0].database
        ids = [ObjectId(one.id) for one in transactions]
        whose: dict[str, Document] = {
            "transactions": {"_id": {"$in": ids}},
            "refunds": {"transaction": {"$in": ids}},
            "disputes": {"transaction": {"$in": ids}},
            "trainerParts": {"_id": {"$in": ids}},
            "paymentNotices": {"transaction": {"$in": ids}},
            "stripeEvents": {"intent": {"$in": [one.intent_id for one in transactions]}},
            "bookings": {"client": ObjectId(self.client.profile)},
        }
        for name, query in whose.items():
            dead = await database.collection(name).find_one({**query, "work.deadAt": {"$exists": True}})
            assert dead is None, (name, dead)
