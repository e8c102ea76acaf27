"""The Booking table. A trainer's time is exclusive by a unique index over the 5-minute claims of each booking."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

import msgspec
from bson import ObjectId, Timestamp
from pymongo import ASCENDING, DESCENDING, IndexModel

from domain.accounts import Role
from domain.bookings import OCCUPYING, UPCOMING, Booking, Status, duration_in_minutes, trainer_claims, wall_times
from domain.reminders import next_due
from domain.slots import Busy
from store.database import ClientSession, CollectionSchema, Database, Document
from store.failures import repository
from store.work_queue import WORK, WorkQueue, WorkRow, begun_index


def booking_document(booking: Booking, now: datetime) -> Document:
    """The whole document. ``date``, ``startTime``, ``endTime`` are there to be read by people; the instants count."""
    wall = wall_times(booking)
    document: Document = {
        "_id": ObjectId(booking.id),
        "trainer": ObjectId(booking.trainer_id),
        "client": ObjectId(booking.client_id),
        "trainerUser": ObjectId(booking.trainer_user_id),
        "clientUser": ObjectId(booking.client_user_id),
        "conversationId": ObjectId(booking.conversation_id),
        "durationInMins": duration_in_minutes(booking),
        "date": wall.date,
        "startTime": wall.start_time,
        "endTime": wall.end_time,
        "startsAt": booking.starts_at,
        "endsAt": booking.ends_at,
        "timeZone": booking.time_zone,
        "breakInMins": booking.break_mins,
        "cancellationPolicy": booking.cancellation_policy,
        "status": booking.status,
        "paidWith": booking.paid_with,
        "version": booking.version,
        "reminded": list(booking.reminded),
        "arrangedAt": booking.arranged_at,
        "createdAt": booking.created_at,
        "updatedAt": booking.updated_at,
        # The server puts its logical time in its place.
        "changedAt": Timestamp(0, 0),
    }
    optional = {
        "note": booking.note,
        "cancelledBy": booking.cancelled_by,
        "reason": booking.reason,
        "heldUntil": booking.held_until,
        "leftBy": booking.erased_party,
        "dueAt": next_due(booking, now),
        # An empty array would collide with every other empty one: claims are there or they are not.
        "claims": trainer_claims(booking) if booking.status in OCCUPYING else None,
    }
    return document | {name: value for name, value in optional.items() if value is not None}


def booking_record(document: Document) -> Booking:
    return Booking(
        id=str(document["_id"]),
        trainer_id=str(document["trainer"]),
        client_id=str(document["client"]),
        trainer_user_id=str(document["trainerUser"]),
        client_user_id=str(document["clientUser"]),
        conversation_id=str(document["conversationId"]),
        starts_at=document["startsAt"],
        ends_at=document["endsAt"],
        time_zone=document["timeZone"],
        break_mins=document["breakInMins"],
        cancellation_policy=document["cancellationPolicy"],
        status=document["status"],
        paid_with=document["paidWith"],
        version=document["version"],
        note=document.get("note"),
        cancelled_by=document.get("cancelledBy"),
        reason=document.get("reason"),
        held_until=document.get("heldUntil"),
        erased_party=document.get("leftBy"),
        reminded=tuple(document["reminded"]),
        arranged_at=document["arrangedAt"],
        created_at=document["createdAt"],
        updated_at=document["updatedAt"],
    )


NAME = "bookings"
CLAIMS_INDEX = "trainerClaims"
# Longer than any session with its break: how far before a span a booking may begin that reaches into it.
LONGEST = timedelta(days=1)
_HAS_NOTE: Document = {"note": {"$exists": True}}
_LISTED = (("startsAt", ASCENDING), ("_id", ASCENDING))
# The place of a booking among the changes that a party was told (``store/booking_changes.py``). What changes a booking
# takes it away, as a new document is without one; an update of what the parties see has ``CHANGED`` with it: the
# next version, so that of two answers a device knows the later one, and whoever decides on the one before begins again.
CHANGE_FIELDS: dict[str, str] = {"client": "clientChange", "trainer": "trainerChange"}
CHANGED: Document = {
    "$inc": {"version": 1},
    "$unset": dict.fromkeys(CHANGE_FIELDS.values(), ""),
    "$currentDate": {"changedAt": {"$type": "timestamp"}},
}

SCHEMAS = (
    CollectionSchema(
        NAME,
        (
            IndexModel(
                [("trainer", ASCENDING), ("claims", ASCENDING)],
                name=CLAIMS_INDEX,
                unique=True,
                partialFilterExpression={"claims": {"$exists": True}},
            ),
            IndexModel([("trainer", ASCENDING), *_LISTED], name="ofTrainer"),
            IndexModel([("client", ASCENDING), *_LISTED], name="ofClient"),
            IndexModel([*_LISTED], name="all"),
            IndexModel(
                [("dueAt", ASCENDING)], name="due", partialFilterExpression={"dueAt": {"$exists": True}}
            ),
            *(
                IndexModel(
                    [(party, ASCENDING), (field, ASCENDING), ("changedAt", ASCENDING), ("_id", ASCENDING)], name=field
                )
                for party, field in CHANGE_FIELDS.items()
            ),
            begun_index(),
            # What statistics count.
            IndexModel([("status", ASCENDING)], name="status"),
            IndexModel([("client", ASCENDING), ("trainer", ASCENDING), ("createdAt", DESCENDING)], name="pair"),
        ),
    ),
)


class BookingFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which bookings a list is of: of a trainer, a client or, with neither, of everybody."""

    trainer_id: str | None = None
    client_id: str | None = None
    statuses: Collection[Status] | None = None
    since: datetime | None = None
    until: datetime | None = None


class PartyChanges(msgspec.Struct, frozen=True):
    """Bookings with one other party: how many, and sums over their versions, last changes and starts."""

    user_id: str
    count: int
    versions: int
    changed: int
    starts: int


@repository
class Bookings:
    def __init__(self, database: Database) -> None:
        self._bookings = database.collection(NAME)
        self.queue = WorkQueue(database, NAME, free=_free)

    @staticmethod
    def new_id() -> str:
        return str(ObjectId())

    async def by_id(self, booking_id: str) -> Booking | None:
        found = await self._bookings.find_one({"_id": ObjectId(booking_id)})
        return booking_record(found) if found else None

    async def held_for(self, client_id: str, trainer_id: str, starts_at: datetime, now: datetime) -> Booking | None:
        """A hold of the client's on this very slot that still lasts."""
        found = await self._bookings.find_one(
            {
                "trainer": ObjectId(trainer_id),
                "startsAt": starts_at,
                "client": ObjectId(client_id),
                "status": "held",
                "heldUntil": {"$gt": now},
            }
        )
        return booking_record(found) if found else None

    async def holds_of(self, client_id: str, now: datetime) -> int:
        """How many slots the client holds and has not paid."""
        mine = {"client": ObjectId(client_id), "status": "held", "heldUntil": {"$gt": now}}
        return await self._bookings.count_documents(mine)

    async def busy(self, trainer_id: str, start: datetime, end: datetime, *, exclude: str | None = None) -> list[Busy]:
        """The trainer's time that is taken and may touch [start, end), by its start; ``exclude``: of other bookings."""
        query: Document = {
            "trainer": ObjectId(trainer_id),
            "startsAt": {"$gt": start - LONGEST, "$lt": end + LONGEST},
            "status": {"$in": list(OCCUPYING)},
        }
        if exclude is not None:
            query["_id"] = {"$ne": ObjectId(exclude)}
        wanted = {"_id": 0, "startsAt": 1, "endsAt": 1, "breakInMins": 1}
        found = await self._bookings.find(query, wanted).sort("startsAt", ASCENDING).to_list(None)
        return [Busy(one["startsAt"], one["endsAt"], one["breakInMins"]) for one in found]

    async def busy_among(self, trainer_ids: Collection[str], start: datetime, end: datetime) -> dict[str, list[Busy]]:
        """The same of each trainer who has any."""
        query: Document = {
            "trainer": {"$in": [ObjectId(one) for one in trainer_ids]},
            "startsAt": {"$gt": start - LONGEST, "$lt": end + LONGEST},
            "status": {"$in": list(OCCUPYING)},
        }
        wanted = {"_id": 0, "trainer": 1, "startsAt": 1, "endsAt": 1, "breakInMins": 1}
        order = [("trainer", ASCENDING), ("startsAt", ASCENDING)]
        busy: dict[str, list[Busy]] = {}
        for one in await self._bookings.find(query, wanted).sort(order).to_list(None):
            taken = Busy(one["startsAt"], one["endsAt"], one["breakInMins"])
            busy.setdefault(str(one["trainer"]), []).append(taken)
        return busy

    async def changes_by_party(self, wanted: BookingFilter, user_id: str, limit: int) -> list[PartyChanges]:
        """What a page of these bookings follows from, by the other party than ``user_id``.

        Whatever changes one of them changes a sum.
        """
        other = {"$cond": [{"$eq": ["$clientUser", ObjectId(user_id)]}, "$trainerUser", "$clientUser"]}
        sums = {
            "count": {"$sum": 1},
            "versions": {"$sum": "$version"},
            "changed": {"$sum": {"$toLong": "$updatedAt"}},
            "starts": {"$sum": {"$toLong": "$startsAt"}},
        }
        found = await self._bookings.aggregate(
            [
                {"$match": _query(wanted)},
                {"$sort": dict(_LISTED)},
                {"$limit": limit},
                {"$group": {"_id": other, **sums}},
                {"$sort": {"_id": ASCENDING}},
            ]
        ).to_list(None)
        # Sums of instants are the driver's own kind of integer.
        return [PartyChanges(str(one["_id"]), *(int(one[name]) for name in sums)) for one in found]

    async def page(self, wanted: BookingFilter, after: tuple[datetime, str] | None, limit: int) -> list[Booking]:
        """By start, the earliest first. ``after``: start and id of the last one known; ``until`` is exclusive."""
        query = _query(wanted)
        if after is not None:
            at, last = after
            query["$or"] = [{"startsAt": {"$gt": at}}, {"startsAt": at, "_id": {"$gt": ObjectId(last)}}]
        found = await self._bookings.find(query).sort(list(_LISTED)).limit(limit).to_list(None)
        return [booking_record(one) for one in found]

    async def leave(self, role: Role, profile_id: str, now: datetime, *, session: ClientSession | None = None) -> None:
        """A party is erased: what it wrote goes, and what it still has before it becomes due to be cancelled.

        Again, without a session, for what was committed meanwhile.
        """
        if role in ("client", "trainer"):
            await self._leave({role: ObjectId(profile_id)}, role, now, session)

    async def leave_one(self, booking: Booking, by: Role, now: datetime) -> None:
        """The same for a booking that was committed after its party was erased."""
        await self._leave({"_id": ObjectId(booking.id)}, by, now, None)

    async def _leave(self, whose: Document, by: Role, now: datetime, session: ClientSession | None) -> None:
        if by == "client":
            await self._bookings.update_many(whose | _HAS_NOTE, _changed("note"), session=session)
        own_reason = {"cancelledBy": by, "reason": {"$exists": True}}
        await self._bookings.update_many(whose | own_reason, _changed("reason"), session=session)
        await self._bookings.update_many(
            whose | {"status": {"$in": list(UPCOMING)}, "leftBy": {"$exists": False}},
            {"$set": {"leftBy": by, "dueAt": now, "updatedAt": now}, **_changed(WORK)},
            session=session,
        )

    async def has_leaving(self, role: Role, profile_id: str) -> bool:
        """Whether an erased party still has before it what is to be cancelled."""
        query = {role: ObjectId(profile_id), "status": {"$in": list(UPCOMING)}, "leftBy": {"$exists": True}}
        return await self._bookings.find_one(query, {"_id": 1}) is not None

    async def insert(self, booking: Booking, now: datetime, *, session: ClientSession) -> None:
        """Raises ``DuplicateKeyError`` when the time is taken."""
        await self._bookings.insert_one(booking_document(booking, now), session=session)

    async def replace(self, booking: Booking, now: datetime, *, session: ClientSession) -> bool:
        """The next version in place of the one before it; false when that has changed. Raises as ``insert``."""
        result = await self._bookings.replace_one(
            {"_id": ObjectId(booking.id), "version": booking.version - 1}, booking_document(booking, now),
            session=session,
        )
        return bool(result.matched_count)

    # --- due work ---

    @staticmethod
    def row(claimed: WorkRow) -> Booking:
        """The booking that wants attention."""
        return booking_record(claimed.document)

    async def attended(
        self, booking: Booking, given: Collection[str], due_at: datetime | None, *, session: ClientSession
    ) -> bool:
        """All that was due is done: these notices were given, and it wants attention next at ``due_at``. False when it
        was changed meanwhile, or another noted one of them."""
        unchanged = {"_id": ObjectId(booking.id), "version": booking.version, "reminded": {"$nin": list(given)}}
        gone = {WORK: ""} | ({"dueAt": ""} if due_at is None else {})
        update: Document = {"$addToSet": {"reminded": {"$each": list(given)}}, "$unset": gone}
        if due_at is not None:
            update["$set"] = {"dueAt": due_at}
        return bool((await self._bookings.update_one(unchanged, update, session=session)).matched_count)


def _changed(gone: str) -> Document:
    """An update that takes a field away, and says that the parties have not been told."""
    return {**CHANGED, "$unset": {**CHANGED["$unset"], gone: ""}}


def _query(wanted: BookingFilter) -> Document:
    query: Document = {}
    for name, profile_id in (("trainer", wanted.trainer_id), ("client", wanted.client_id)):
        if profile_id is not None:
            query[name] = ObjectId(profile_id)
    if wanted.statuses is not None:
        query["status"] = {"$in": list(wanted.statuses)}
    starts: Document = {}
    if wanted.since is not None:
        starts["$gte"] = wanted.since
    if wanted.until is not None:
        starts["$lt"] = wanted.until
    if starts:
        query["startsAt"] = starts
    return query


def _free(now: datetime) -> Document:
    """Nodes of an earlier version leave the instant where it is, and say beside it until when they work on it."""
    return {"$or": [{"dueClaimedUntil": {"$exists": False}}, {"dueClaimedUntil": {"$lte": now}}]}
