"""TrainerAvailability, Availability and TrainerAvailabilityException: when a trainer works."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from datetime import date, datetime, timedelta

from bson import ObjectId
from pymongo import ASCENDING, IndexModel

from domain.accounts import unauthenticated
from domain.availability import AbsenceRecord, Schedule, Week
from domain.errors import Code, DomainError, not_found
from domain.slots import HORIZON_DAYS
from store.availability_documents import (
    DAYS,
    day_document,
    exception_document,
    exception_from,
    schedule_from,
    week_from,
)
from store.database import SNAPSHOT, ClientSession, CollectionSchema, Database, Document
from store.failures import repository
from store.idempotency import Keep
from store.listings import Listings, hot
from store.profiles import NOT_ERASED

WEEKS = "trainerAvailabilities"
EXCEPTIONS = "trainerAvailabilityExceptions"
TRAINERS = "trainers"
# A window that began before midnight may still be running, and "today" is another day elsewhere.
_MARGIN = timedelta(days=3)
MAX_EXCEPTIONS = 500
_LISTED = [("date", ASCENDING), ("_id", ASCENDING)]
_WITH_DAYS: Document = {
    "$lookup": {"from": DAYS, "localField": "trainer", "foreignField": "trainer", "as": "days"}
}

SCHEMAS = (
    CollectionSchema(WEEKS, (IndexModel([("trainer", ASCENDING)], name="trainer", unique=True),)),
    CollectionSchema(DAYS, (IndexModel([("trainer", ASCENDING), ("day", ASCENDING)], name="trainer"),)),
    CollectionSchema(EXCEPTIONS, (IndexModel([("trainer", ASCENDING), *_LISTED], name="date"),)),
)


@repository
class Availability:
    """A change answers the schedule that it changes: both are of one commit, and changes of one trainer queue up."""

    def __init__(self, database: Database, listings: Listings) -> None:
        self._database = database
        self._listings = listings
        self._weeks = database.collection(WEEKS)
        self._days = database.collection(DAYS)
        self._exceptions = database.collection(EXCEPTIONS)
        self._trainers = database.collection(TRAINERS)
        # One moment for all three collections: a schedule that is being replaced is seen before or after.
        self._at_one_moment = self._weeks.with_options(read_concern=SNAPSHOT)

    async def schedule(
        self, trainer_id: str, now: datetime, *, session: ClientSession | None = None
    ) -> Schedule | None:
        """What the rules of slots work on; nothing for a trainer who has not said when."""
        return (await self.schedules([trainer_id], now, session=session)).get(trainer_id)

    async def schedules(
        self, trainer_ids: Collection[str], now: datetime, *, session: ClientSession | None = None
    ) -> dict[str, Schedule]:
        """Of each trainer who has said when; with the days off that matter for what can be booked."""
        since, until = now - _MARGIN, now + timedelta(days=HORIZON_DAYS) + _MARGIN
        near: Document = {"date": {"$gte": since.date().isoformat(), "$lte": until.date().isoformat()}}
        found = await self._at_one_moment.aggregate(
            [
                {"$match": {"trainer": {"$in": [ObjectId(one) for one in trainer_ids]}}},
                _WITH_DAYS,
                {
                    "$lookup": {
                        "from": EXCEPTIONS,
                        "localField": "trainer",
                        "foreignField": "trainer",
                        "pipeline": [{"$match": near}],
                        "as": "exceptions",
                    }
                },
            ],
            session=session,
        ).to_list(None)
        return {str(one["trainer"]): schedule_from(one) for one in found}

    async def time_zone(self, trainer_id: str) -> str | None:
        """Nothing when there is no such trainer."""
        found = await self._trainers.find_one({"_id": ObjectId(trainer_id)}, {"timeZone": 1})
        return found.get("timeZone", "UTC") if found else None

    async def week(self, trainer_id: str) -> Week | None:
        pipeline = [{"$match": {"trainer": ObjectId(trainer_id)}}, _WITH_DAYS]
        found = await self._at_one_moment.aggregate(pipeline).to_list(1)
        return week_from(found[0]) if found else None

    async def replace_week(self, trainer_id: str, week: Week, now: datetime) -> Schedule | None:
        """All of it, or nothing."""
        trainer = ObjectId(trainer_id)

        async def body(session: ClientSession) -> None:
            replaced = {
                "timeZone": week.time_zone,
                "sessionDurationInMins": week.duration,
                "breakBetweenSessionMins": week.break_mins,
                "minimumNoticeInMins": week.notice_mins,
                "updatedAt": now,
            }
            update = {"$set": replaced, "$setOnInsert": {"createdAt": now}}
            await self._weeks.update_one({"trainer": trainer}, update, upsert=True, session=session)
            found = await self._weeks.find_one({"trainer": trainer}, {"_id": 1}, session=session)
            assert found is not None
            await self._days.delete_many({"trainer": trainer}, session=session)
            if week.days:
                days = [day_document(trainer, found["_id"], day, now) for day in week.days]
                await self._days.insert_many(days, session=session)
            changes = {"timeZone": week.time_zone, "updatedAt": now}
            await self._trainers.update_one({"_id": trainer}, {"$set": changes}, session=session)
            await self._listings.refresh(trainer_id, session=session)

        return await self._change(trainer_id, now, body)

    async def forget(self, trainer_id: str, *, session: ClientSession) -> None:
        for collection in (self._weeks, self._days, self._exceptions):
            await collection.delete_many({"trainer": ObjectId(trainer_id)}, session=session)

    # --- exceptions ---

    async def add_exception(
        self, trainer_id: str, absence: AbsenceRecord, today: date, now: datetime, keep: Keep
    ) -> Schedule | None:
        """Raises ``conflict`` when there are too many ahead, or one of the same time already."""
        trainer = ObjectId(trainer_id)
        document = exception_document(trainer, absence)
        same = {name: document[name] for name in ("trainer", "date", "startTime", "endTime")}
        ahead = {"trainer": trainer, "date": {"$gte": today.isoformat()}}

        async def body(session: ClientSession) -> None:
            if await self._exceptions.count_documents(ahead, limit=MAX_EXCEPTIONS, session=session) == MAX_EXCEPTIONS:
                raise DomainError(Code.CONFLICT, f"At most {MAX_EXCEPTIONS} exceptions may lie ahead.")
            # Changes of one trainer queue up, so that of several equal ones at once each sees those before it.
            if await self._exceptions.find_one(same, {"_id": 1}, session=session) is not None:
                raise DomainError(Code.CONFLICT, "There is an exception for this time already.")
            await self._exceptions.insert_one(document, session=session)
            await keep(session=session)

        return await self._change(trainer_id, now, body)

    async def exceptions(self, trainer_id: str, after: tuple[str, str] | None, limit: int) -> list[AbsenceRecord]:
        """By date; ``after``: date and id of the last one seen."""
        query: Document = {"trainer": ObjectId(trainer_id)}
        if after is not None:
            day, last = after
            query["$or"] = [{"date": {"$gt": day}}, {"date": day, "_id": {"$gt": ObjectId(last)}}]
        found = await self._exceptions.find(query).sort(_LISTED).limit(limit).to_list(None)
        return [exception_from(one) for one in found]

    async def remove_exception(
        self, trainer_id: str, exception_id: str, now: datetime, keep: Keep
    ) -> Schedule | None:
        """Raises ``not_found`` when the trainer has no such one."""
        mine = {"_id": ObjectId(exception_id), "trainer": ObjectId(trainer_id)}

        async def body(session: ClientSession) -> None:
            if not (await self._exceptions.delete_one(mine, session=session)).deleted_count:
                raise not_found("exception")
            await keep(session=session)

        return await self._change(trainer_id, now, body)

    @staticmethod
    def new_id() -> str:
        return str(ObjectId())

    async def _change(
        self, trainer_id: str, now: datetime, body: Callable[[ClientSession], Awaitable[None]]
    ) -> Schedule | None:
        async def change(session: ClientSession) -> Schedule | None:
            # First what every other change writes too: of two at once one waits, and sees what the other did.
            queued = await self._trainers.update_one(
                {"_id": ObjectId(trainer_id), **NOT_ERASED}, {"$inc": {"scheduleRevision": 1}}, session=session
            )
            if not queued.matched_count:
                raise unauthenticated()
            before = await self.schedule(trainer_id, now, session=session)
            await body(session)
            return before

        return await self._database.transaction(change, hot=[hot(trainer_id)])
