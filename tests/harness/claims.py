"""Idempotency keys whose holders died: the clock of their ages is MongoDB's, which no test moves."""

from __future__ import annotations

from datetime import UTC, datetime

from store.database import Database
from store.idempotency import NAME


async def run_out_of_claims(database: Database) -> None:
    """As after seconds in which nobody renewed any of those that there are."""
    long_ago = {"$set": {"claimedAt": datetime.fromtimestamp(0, UTC)}}
    await database.collection(NAME).update_many({"claimedAt": {"$exists": True}}, long_ago)
