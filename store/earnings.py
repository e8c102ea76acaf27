"""A trainer's payments by when they were paid, and their sums."""

from __future__ import annotations

from datetime import datetime

from bson import ObjectId
from pymongo import DESCENDING

from domain.earnings import EarningSum
from domain.payments import Transaction
from store.database import Database, Document
from store.failures import repository
from store.transactions import NAME, transaction_record

# As ``domain.earnings`` has them, for one row.
_GONE = {"$min": ["$amount", {"$add": ["$amountRefunded", {"$ifNull": ["$amountDisputed", 0]}]}]}
_OF_FEE = {"$multiply": ["$fee", "$gone"]}
_FEE_KEPT = {
    "$subtract": ["$fee", {"$divide": [{"$subtract": [_OF_FEE, {"$mod": [_OF_FEE, "$amount"]}]}, "$amount"]}]
}
_STATUS = {
    "$cond": [
        {"$gt": ["$amountDisputed", 0]},
        {"$cond": [{"$eq": ["$dispute", "lost"]}, "dispute_lost", "disputed"]},
        "$status",
    ]
}


@repository
class Earnings:
    def __init__(self, database: Database) -> None:
        self._rows = database.collection(NAME)

    async def sums(self, trainer_id: str, start: datetime, end: datetime, time_zone: str) -> list[EarningSum]:
        """Of what was paid in [start, end): the latest month first."""
        group = {
            "month": {"$dateToString": {"date": "$paidAt", "format": "%Y-%m", "timezone": time_zone}},
            "status": _STATUS,
            "currency": "$currency",
        }
        sums = {
            "count": {"$sum": 1},
            "amount": {"$sum": "$amount"},
            "gone": {"$sum": "$gone"},
            "fee": {"$sum": _FEE_KEPT},
            "amountRefunded": {"$sum": "$amountRefunded"},
            "amountDisputed": {"$sum": {"$ifNull": ["$amountDisputed", 0]}},
        }
        found = self._rows.aggregate(
            [
                {"$match": _paid(trainer_id, start, end)},
                {"$set": {"gone": _GONE}},
                {"$group": {"_id": group, **sums}},
                {"$sort": {"_id.month": -1, "_id.status": 1, "_id.currency": 1}},
            ]
        )
        return [_sum(one) for one in await found.to_list(None)]

    async def page(
        self, trainer_id: str, start: datetime, end: datetime, before: tuple[datetime, str] | None, limit: int
    ) -> list[Transaction]:
        """The latest first; ``before``: the instant and the id of the last one known."""
        query = _paid(trainer_id, start, end)
        if before is not None:
            at, last = before
            query["$or"] = [{"paidAt": {"$lt": at}}, {"paidAt": at, "_id": {"$lt": ObjectId(last)}}]
        found = self._rows.find(query).sort([("paidAt", DESCENDING), ("_id", DESCENDING)]).limit(limit)
        return [transaction_record(one) for one in await found.to_list(None)]


def _paid(trainer_id: str, start: datetime, end: datetime) -> Document:
    return {"trainer": ObjectId(trainer_id), "paidAt": {"$gte": start, "$lt": end}}


def _sum(document: Document) -> EarningSum:
    fee = int(document["fee"])
    return EarningSum(
        month=document["_id"]["month"],
        status=document["_id"]["status"],
        currency=document["_id"]["currency"],
        count=document["count"],
        amount=document["amount"],
        fee=fee,
        amount_refunded=document["amountRefunded"],
        amount_disputed=document["amountDisputed"],
        net=document["amount"] - document["gone"] - fee,
    )
