"""What a deployment keeps only for so long. Rows are as old as their ids say, and go a few at a time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from bson import ObjectId

from store import audit, idempotency, revocations
from store.database import Database
from store.failures import repository

# Named by setting; each has ids that the driver makes when a row is written.
KEPT = {
    "AUDIT_DAYS": audit.NAME,
    "IDEMPOTENCY_DAYS": idempotency.NAME,
    # A day is longer than any token lives that a revocation ends (domain.sessions.KEPT); there is no shorter setting.
    "REVOCATION_DAYS": revocations.NAME,
}
AT_ONCE, MOST_AT_A_TIME = 1000, 100_000


@repository
class Retention:
    """``days`` by setting; 0 keeps for ever. Of nodes whose settings differ the shortest counts."""

    def __init__(self, database: Database, days: Mapping[str, int]) -> None:
        self._database = database
        self._days = {KEPT[setting]: days for setting, days in days.items() if days > 0}

    async def forget(self, now: datetime) -> int:
        """Removes what is kept no longer; answers how many rows."""
        removed = 0
        for name, days in self._days.items():
            rows = self._database.collection(name)
            older = {"_id": {"$lt": ObjectId.from_datetime(now - timedelta(days=days))}}
            for _ in range(MOST_AT_A_TIME // AT_ONCE):
                found = await rows.find(older, {"_id": 1}).sort("_id", 1).limit(AT_ONCE).to_list(None)
                if found:
                    ids = [one["_id"] for one in found]
                    removed += (await rows.delete_many({"_id": {"$in": ids}})).deleted_count
                if len(found) < AT_ONCE:
                    break
        return removed
