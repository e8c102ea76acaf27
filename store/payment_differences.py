"""Where Stripe's list of payments and ours disagree: a row for as long as they do, and one in the audit for ever."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from bson import ObjectId
from pymongo import ASCENDING, IndexModel
from pymongo.errors import DuplicateKeyError

from domain.moderation import Target
from domain.payment_comparison import Difference
from store.audit import Audit, PlannedAct
from store.database import ClientSession, CollectionSchema, Database
from store.failures import repository

NAME = "paymentDifferences"
SCHEMAS = (
    CollectionSchema(
        NAME, (IndexModel([("intent", ASCENDING), ("kind", ASCENDING)], name="difference", unique=True),)
    ),
)


@repository
class PaymentDifferences:
    """``found``: those that were new, on this node."""

    def __init__(self, database: Database, audit: Audit) -> None:
        self._database = database
        self._rows = database.collection(NAME)
        self._audit = audit
        self.found = 0

    async def report(self, difference: Difference, now: datetime) -> bool:
        """False for one that is known."""
        audit = self._audit.writer(
            PlannedAct(
                actor_id=None,
                actor_role=None,
                address="",
                action="payment.difference",
                target=Target("transaction", difference.purchase_id),
                reason=difference.kind,
                at=now,
            )
        )

        async def body(session: ClientSession) -> None:
            row = {
                "intent": difference.intent_id,
                "kind": difference.kind,
                "transaction": ObjectId(difference.purchase_id),
                "createdAt": now,
            }
            await self._rows.insert_one(row, session=session)
            await audit(difference.ours, difference.theirs, session=session)

        try:
            await self._database.transaction(body)
        except DuplicateKeyError:
            return False
        self.found += 1
        return True

    async def agree(self, intent_ids: Collection[str]) -> None:
        """Of these, both say the same now."""
        if intent_ids:
            await self._rows.delete_many({"intent": {"$in": list(intent_ids)}})
