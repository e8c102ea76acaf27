"""TrainerAvailability, Availability and TrainerAvailabilityException: when a trainer works."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from bson import ObjectId
from pymongo import ASCENDING, IndexModel

from domain.availability import AbsenceRecord, Week, WeekDay
from domain.errors import Code, DomainError
from domain.schedules import Absence, Schedule, Window, minutes_of
from store.database import SNAPSHOT, Database, Document, Session
from store.failures import repository
from store.schema import CollectionSchema

if TYPE_CHECKING:
    from store.listings import Listings

WEEKS = "trainerAvailabilities"
DAYS = "availabilities"
EXCEPTIONS = "trainerAvailabilityExceptions"
TRAINERS = "trainers"
# A window that began before midnight may still be running.
_BEFORE = timedelta(days=3)
MAX_EXCEPTIONS = 500

SCHEMAS = (
    CollectionSchema(WEEKS, (IndexModel([("trainer", ASCENDING)], name="trainer", unique=True),)),
    CollectionSchema(DAYS, (IndexModel([("trainer", ASCENDING), ("day", ASCENDING)], name="trainer"),)),
    CollectionSchema(
        EXCEPTIONS,
        (IndexModel([("trainer", ASCENDING), ("date", ASCENDING), ("_id", ASCENDING)], name="date"),),
    ),
)


@repository
class Availability:
    def __init__(self, database: Database, listings: Listings) -> None:
        self._database = database
        self._listings = listings
        self._weeks = database.collection(WEEKS)
        self._days = database.collection(DAYS)
        self._exceptions = database.collection(EXCEPTIONS)
        self._trainers = database.collection(TRAINERS)
        # One moment for all three collections: a schedule that is being replaced is seen before or after.
        self._at_one_moment = self._weeks.with_options(read_concern=SNAPSHOT)

    async def schedule(self, trainer_id: str, now: datetime) -> Schedule | None:
        """What the rules of slots work on; nothing for a trainer who has not said when."""
        return (await self.schedules([trainer_id], now)).get(trainer_id)

    async def schedules(self, trainer_ids: Collection[str], now: datetime) -> dict[str, Schedule]:
        """Of each trainer who has said when."""
        since = (now - _BEFORE).date().isoformat()
        found = await self._at_one_moment.aggregate(
            [
                {"$match": {"trainer": {"$in": [ObjectId(one) for one in trainer_ids]}}},
                {"$lookup": {"from": DAYS, "localField": "trainer", "foreignField": "trainer", "as": "days"}},
                {
                    "$lookup": {
                        "from": EXCEPTIONS,
                        "localField": "trainer",
                        "foreignField": "trainer",
                        "pipeline": [{"$match": {"date": {"$gte": since}}}],
                        "as": "exceptions",
                    }
                },
            ]
        ).to_list(None)
        return {str(one["trainer"]): _schedule(one) for one in found}

    async def time_zone(self, trainer_id: str) -> str | None:
        """Nothing when there is no such trainer."""
        found = await self._trainers.find_one({"_id": ObjectId(trainer_id)}, {"timeZone": 1})
        return found.get("timeZone", "UTC") if found else None

    async def week(self, trainer_id: str) -> Week | None:
        found = await self._weeks.find_one({"trainer": ObjectId(trainer_id)})
        if found is None:
            return None
        days = await self._days.find({"trainer": ObjectId(trainer_id)}).sort("_id", ASCENDING).to_list(None)
        return Week(
            time_zone=found["timeZone"],
            duration=found["sessionDurationInMins"],
            pause=found["breakBetweenSessionMins"],
            days=tuple(_week_day(day) for day in days),
        )

    async def replace_week(self, trainer_id: str, week: Week, now: datetime) -> None:
        """All of it, or nothing."""
        trainer = ObjectId(trainer_id)

        async def body(session: Session) -> None:
            # First the row that every other replacement writes too: of two at once one waits.
            await self._weeks.update_one(
                {"trainer": trainer},
                {
                    "$set": {
                        "timeZone": week.time_zone,
                        "sessionDurationInMins": week.duration,
                        "breakBetweenSessionMins": week.pause,
                        "updatedAt": now,
                    },
                    "$setOnInsert": {"createdAt": now},
                },
                upsert=True,
                session=session,
            )
            found = await self._weeks.find_one({"trainer": trainer}, {"_id": 1}, session=session)
            assert found is not None
            await self._days.delete_many({"trainer": trainer}, session=session)
            if week.days:
                days = [_day_document(trainer, found["_id"], day, now) for day in week.days]
                await self._days.insert_many(days, session=session)
            await self._trainers.update_one(
                {"_id": trainer}, {"$set": {"timeZone": week.time_zone, "updatedAt": now}}, session=session
            )
            await self._listings.refresh(trainer_id, session=session)

        await self._database.transaction(body)

    # --- exceptions ---

    async def add_exception(self, trainer_id: str, absence: AbsenceRecord, today: date) -> None:
        """Raises ``conflict`` when there are too many ahead."""
        trainer = ObjectId(trainer_id)
        ahead = {"trainer": trainer, "date": {"$gte": today.isoformat()}}
        if await self._exceptions.count_documents(ahead, limit=MAX_EXCEPTIONS) == MAX_EXCEPTIONS:
            raise DomainError(Code.CONFLICT, f"At most {MAX_EXCEPTIONS} exceptions may lie ahead.")
        await self._exceptions.insert_one(_exception_document(trainer, absence))

    async def exceptions(
        self, trainer_id: str, after: tuple[str, str] | None, limit: int
    ) -> list[AbsenceRecord]:
        """By date; ``after``: date and id of the last one seen."""
        query: Document = {"trainer": ObjectId(trainer_id)}
        if after is not None:
            day, last = after
            query["$or"] = [{"date": {"$gt": day}}, {"date": day, "_id": {"$gt": ObjectId(last)}}]
        order = [("date", ASCENDING), ("_id", ASCENDING)]
        found = await self._exceptions.find(query).sort(order).limit(limit).to_list(None)
        return [_exception(one) for one in found]

    async def remove_exception(self, trainer_id: str, exception_id: str) -> bool:
        """False when the trainer has no such one."""
        gone = await self._exceptions.delete_one({"_id": ObjectId(exception_id), "trainer": ObjectId(trainer_id)})
        return bool(gone.deleted_count)

    @staticmethod
    def new_id() -> str:
        return str(ObjectId())


def _schedule(document: Document) -> Schedule:
    return Schedule(
        time_zone=document["timeZone"],
        duration=document["sessionDurationInMins"],
        pause=document["breakBetweenSessionMins"],
        windows=windows(document["days"]),
        absences=tuple(_exception(one).absence for one in document["exceptions"]),
    )


def windows(days: Sequence[Document]) -> tuple[Window, ...]:
    """Those in which the trainer works."""
    return tuple(_week_day(day).window for day in days if day["isAvailable"])


def _week_day(document: Document) -> WeekDay:
    return WeekDay(
        day=document["day"],
        start_time=document["startTime"],
        end_time=document["endTime"],
        is_available=document["isAvailable"],
    )


def _day_document(trainer: ObjectId, week: ObjectId, day: WeekDay, now: datetime) -> Document:
    return {
        "trainer": trainer,
        "trainerAvailability": week,
        "day": day.day,
        "startTime": day.start_time,
        "endTime": day.end_time,
        "isAvailable": day.is_available,
        "createdAt": now,
        "updatedAt": now,
    }


def _exception(document: Document) -> AbsenceRecord:
    start, end = document["startTime"], document["endTime"]
    return AbsenceRecord(
        id=str(document["_id"]),
        absence=Absence(
            date=date.fromisoformat(document["date"]),
            start=None if start is None else minutes_of(start),
            end=None if end is None else minutes_of(end),
        ),
        reason=document["reason"],
        created_at=document["createdAt"],
        updated_at=document["updatedAt"],
    )


def _exception_document(trainer: ObjectId, record: AbsenceRecord) -> Document:
    return {
        "_id": ObjectId(record.id),
        "trainer": trainer,
        "date": record.absence.date.isoformat(),
        "startTime": record.start_time,
        "endTime": record.end_time,
        "reason": record.reason,
        "createdAt": record.created_at,
        "updatedAt": record.updated_at,
    }
