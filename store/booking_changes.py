"""What changed of somebody's bookings since an earlier answer: each party's changes, numbered in the order of commits.

A change takes a booking's numbers away with its own commit; whoever asks numbers what has none, oldest first, and reads
on from there, in one transaction. All that number for one party write the party's counter, so they take turns: whoever
knows a number has been told of all below it. docs/decisions/0025 has the reasons.
"""

from __future__ import annotations

import msgspec
from bson import ObjectId
from pymongo import ASCENDING, UpdateOne

from domain.bookings import Booking
from store.bookings import CHANGE_FIELDS, booking_record
from store.bookings import NAME as BOOKINGS
from store.database import ClientSession, CollectionSchema, Database, Document
from store.failures import repository

# How far the numbers of each party have got, by the id of its profile.
NAME = "bookingCounters"
SCHEMAS = (CollectionSchema(NAME, ()),)


class ChangedBookings(msgspec.Struct, frozen=True, kw_only=True):
    """``bookings``: by the numbers of their changes, ascending. ``start``: the number after which they were read."""

    bookings: list[tuple[int, Booking]]
    start: int
    has_more: bool


@repository
class BookingChanges:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._bookings = database.collection(BOOKINGS)
        self._counters = database.collection(NAME)

    async def since(self, party: str, profile_id: str, after: int, limit: int) -> ChangedBookings:
        """At most ``limit`` of a client's or trainer's bookings that changed since the number ``after``.

        A number that the party has not got to is of a database that is no more: then all of them, from the first.
        """
        profile, field = ObjectId(profile_id), CHANGE_FIELDS[party]
        whose: Document = {party: profile}

        async def body(session: ClientSession) -> ChangedBookings:
            counter = await self._counters.find_one({"_id": profile}, session=session)
            last: int = counter["last"] if counter else 0
            start = after if after <= last else 0
            numbered = self._bookings.find({**whose, field: {"$gt": start}}, session=session)
            found = await numbered.sort(field, ASCENDING).limit(limit + 1).to_list(None)
            listed = [(int(one[field]), booking_record(one)) for one in found[:limit]]
            if len(found) > limit:
                return ChangedBookings(bookings=listed, start=start, has_more=True)
            unnumbered = self._bookings.find({**whose, field: None}, session=session)
            oldest_first = unnumbered.sort([("changedAt", ASCENDING), ("_id", ASCENDING)])
            waiting = await oldest_first.limit(limit + 1 - len(listed)).to_list(None)
            fresh = waiting[: limit - len(listed)]
            if fresh:
                numbers = range(last + 1, last + 1 + len(fresh))
                await self._counters.update_one({"_id": profile}, {"$set": {"last": numbers[-1]}}, session=session)
                placed = list(zip(numbers, fresh, strict=True))
                updates = [UpdateOne({"_id": one["_id"]}, {"$set": {field: number}}) for number, one in placed]
                await self._bookings.bulk_write(updates, session=session)
                listed += [(number, booking_record(one)) for number, one in placed]
            return ChangedBookings(bookings=listed, start=start, has_more=len(waiting) > len(fresh))

        await self._require_counter(profile)
        return await self._database.transaction(body)

    async def _require_counter(self, profile: ObjectId) -> None:
        """There before any transaction: two that make it at once would end as a duplicate, not as a conflict."""
        if await self._counters.find_one({"_id": profile}, {"_id": 1}) is None:
            await self._counters.update_one({"_id": profile}, {"$setOnInsert": {"last": 0}}, upsert=True)
