"""Free trials that are consumed: one a pair, counted by the trainer's week."""

from __future__ import annotations

from bson import ObjectId
from pymongo import ASCENDING, IndexModel

from domain.bookings import Booking
from domain.errors import Code, DomainError
from domain.trials import iso_week
from store.database import Database, Session
from store.schema import CollectionSchema

TRIALS = "trials"
WEEKS = "trialWeeks"
PAIR_INDEX = "trialPair"
WEEK_INDEX = "trialWeek"
SCHEMAS = (
    CollectionSchema(
        TRIALS, (IndexModel([("client", ASCENDING), ("trainer", ASCENDING)], name=PAIR_INDEX, unique=True),)
    ),
    CollectionSchema(
        WEEKS, (IndexModel([("trainer", ASCENDING), ("week", ASCENDING)], name=WEEK_INDEX, unique=True),)
    ),
)


class Trials:
    """Called within a booking's transaction only."""

    def __init__(self, database: Database) -> None:
        self._trials = database.collection(TRIALS)
        self._weeks = database.collection(WEEKS)

    async def consume(self, booking: Booking, limit: int, *, session: Session) -> None:
        """Raises ``trial_unavailable``, or ``DuplicateKeyError`` when the pair has had its trial."""
        await self._trials.insert_one(
            {
                "client": ObjectId(booking.client_id),
                "trainer": ObjectId(booking.trainer_id),
                "booking": ObjectId(booking.id),
                "createdAt": booking.created_at,
            },
            session=session,
        )
        await self._count(booking, limit, session)

    async def give_back(self, booking: Booking, *, session: Session) -> None:
        """Both limits are as they were."""
        await self._trials.delete_one(
            {
                "client": ObjectId(booking.client_id),
                "trainer": ObjectId(booking.trainer_id),
                "booking": ObjectId(booking.id),
            },
            session=session,
        )
        await self._uncount(booking, session)

    async def move(self, before: Booking, after: Booking, limit: int, *, session: Session) -> None:
        """To the week of the new time; raises ``trial_unavailable`` when that has no room."""
        if iso_week(before.starts_at, before.time_zone) != iso_week(after.starts_at, after.time_zone):
            await self._uncount(before, session)
            await self._count(after, limit, session)

    async def _count(self, booking: Booking, limit: int, session: Session) -> None:
        week = _week(booking)
        # The upsert of a week that another transaction is beginning conflicts, and is tried again.
        await self._weeks.update_one(week, {"$setOnInsert": {"used": 0}}, upsert=True, session=session)
        counted = await self._weeks.update_one(
            week | {"used": {"$lt": limit}}, {"$inc": {"used": 1}}, session=session
        )
        if not counted.matched_count:
            raise DomainError(Code.TRIAL_UNAVAILABLE, "The trainer's trials of that week are taken.")

    async def _uncount(self, booking: Booking, session: Session) -> None:
        await self._weeks.update_one(_week(booking), {"$inc": {"used": -1}}, session=session)


def _week(booking: Booking) -> dict[str, object]:
    return {"trainer": ObjectId(booking.trainer_id), "week": iso_week(booking.starts_at, booking.time_zone)}
