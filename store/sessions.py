"""Sessions: one document a device signed in. A revoked one stays until it would have expired."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from bson import ObjectId
from pymongo import ASCENDING, DESCENDING, IndexModel

from domain.presence import Status
from domain.sessions import Reason, Session
from store.database import ClientSession, CollectionSchema, Database, Document
from store.failures import repository
from store.work_queue import WORK, WorkQueue, WorkRow, work_indexes

NAME = "sessions"
# When the owner is to be told of the sign-in; away once that is done.
_NOTICE_DUE = "tellAt"
SCHEMAS = (
    CollectionSchema(
        NAME,
        (
            IndexModel([("userId", ASCENDING), ("_id", DESCENDING)], name="user"),
            # Housekeeping only: whether a session has expired is asked of `expiresAt` itself.
            IndexModel([("expiresAt", ASCENDING)], name="expiry", expireAfterSeconds=0),
            IndexModel(
                [("revokedAt", ASCENDING)], name="revoked", partialFilterExpression={"revokedAt": {"$type": "date"}}
            ),
            *work_indexes(_NOTICE_DUE, only={_NOTICE_DUE: {"$exists": True}}),
        ),
    ),
)


@repository
class Sessions:
    def __init__(self, database: Database) -> None:
        self._sessions = database.collection(NAME)
        # Sign-ins whose owners have not been notified yet.
        self.notices = WorkQueue(database, NAME, due=_NOTICE_DUE)

    @staticmethod
    def new_id() -> str:
        return str(ObjectId())

    async def insert(
        self, new: Session, *, notify_from: str | None = None, session: ClientSession | None = None
    ) -> None:
        """``notify_from``: the kind of device, if the owner is to be notified, by whichever node takes it up."""
        notice = {} if notify_from is None else {_NOTICE_DUE: new.created_at, "kindOfDevice": notify_from}
        await self._sessions.insert_one({**_document(new), **notice}, session=session)

    @staticmethod
    def notice_of(claimed: WorkRow) -> tuple[Session, str]:
        """The session, and what kind of device it was begun from."""
        return _from(claimed.document), claimed.document["kindOfDevice"]

    async def by_id(self, session_id: str) -> Session | None:
        document = await self._sessions.find_one({"_id": ObjectId(session_id)})
        return None if document is None else _from(document)

    async def live_of(
        self, user_id: str, password_changed_at: datetime | None, now: datetime, *, before: str | None, limit: int
    ) -> list[Session]:
        """The newest first, those before ``before`` only."""
        query: Document = {
            "userId": ObjectId(user_id),
            "revokedAt": None,
            "expiresAt": {"$gt": now},
            "passwordChangedAt": password_changed_at,
        }
        if before is not None:
            query["_id"] = {"$lt": ObjectId(before)}
        cursor = self._sessions.find(query).sort("_id", DESCENDING).limit(limit)
        return [_from(document) async for document in cursor]

    async def rotate(
        self, current: Session, now: datetime, expires_at: datetime, networks: Mapping[str, datetime] | None
    ) -> bool:
        """To the next generation; false when another refresh or a revocation was faster. ``networks``: the session's
        from now on, where they change."""
        noted = {} if networks is None else {"networks": [{"network": one, "at": at} for one, at in networks.items()]}
        result = await self._sessions.update_one(
            {"_id": ObjectId(current.id), "generation": current.generation, "revokedAt": None},
            {
                "$set": {"rotatedAt": now, "lastUsedAt": now, "expiresAt": expires_at, **noted},
                "$inc": {"generation": 1},
            },
        )
        return bool(result.matched_count)

    async def note_use(self, session_id: str, generation: int) -> None:
        """An access token of the current generation was used."""
        await self._sessions.update_one(
            {"_id": ObjectId(session_id), "generation": generation}, {"$set": {"usedGeneration": generation}}
        )

    async def by_ids(self, session_ids: Collection[str]) -> list[Session]:
        cursor = self._sessions.find({"_id": {"$in": [ObjectId(one) for one in session_ids]}})
        return [_from(document) async for document in cursor]

    async def set_presence(self, session_id: str, status: Status) -> None:
        """What its device says of its owner, for the next time that it connects."""
        await self._sessions.update_one({"_id": ObjectId(session_id)}, {"$set": {"presence": status}})

    async def revoke(
        self, user_id: str, session_id: str, reason: Reason, now: datetime, *, session: ClientSession | None = None
    ) -> bool:
        """False when the user has no such live session. The announcement is the caller's."""
        result = await self._sessions.update_one(
            {"_id": ObjectId(session_id), "userId": ObjectId(user_id), "revokedAt": None, "expiresAt": {"$gt": now}},
            {"$set": {"revokedAt": now, "revokedReason": reason}},
            session=session,
        )
        return bool(result.matched_count)

    async def revoke_all(self, user_id: str, reason: Reason, now: datetime, *, session: ClientSession) -> list[str]:
        """Ids of the sessions that stood until now. The announcement is the caller's."""
        standing: Document = {"userId": ObjectId(user_id), "revokedAt": None, "expiresAt": {"$gt": now}}
        cursor = self._sessions.find(standing, {"_id": 1}, session=session)
        ids = [document["_id"] async for document in cursor]
        await self._sessions.update_many(
            {"_id": {"$in": ids}, "revokedAt": None},
            {"$set": {"revokedAt": now, "revokedReason": reason}},
            session=session,
        )
        return [str(one) for one in ids]

    async def forget(self, user_id: str, *, session: ClientSession) -> None:
        """What an erased user's devices were called, and where they were; that they were there, nodes ask until they
        would have expired."""
        nothing = {"$set": {"device": None}, "$unset": {"kindOfDevice": "", "networks": "", _NOTICE_DUE: "", WORK: ""}}
        await self._sessions.update_many({"userId": ObjectId(user_id)}, nothing, session=session)


def _document(session: Session) -> Document:
    return {
        "_id": ObjectId(session.id),
        "userId": ObjectId(session.user_id),
        "device": session.device,
        "nonce": session.nonce,
        "generation": session.generation,
        "usedGeneration": session.used_generation,
        "rotatedAt": session.rotated_at,
        "passwordChangedAt": session.password_changed_at,
        "createdAt": session.created_at,
        "lastUsedAt": session.last_used_at,
        "expiresAt": session.expires_at,
        "revokedAt": session.revoked_at,
    }


def _from(document: Document) -> Session:
    return Session(
        id=str(document["_id"]),
        user_id=str(document["userId"]),
        device=document["device"],
        nonce=document["nonce"],
        generation=document["generation"],
        used_generation=document.get("usedGeneration", 0),
        rotated_at=document["rotatedAt"],
        password_changed_at=document["passwordChangedAt"],
        created_at=document["createdAt"],
        last_used_at=document["lastUsedAt"],
        expires_at=document["expiresAt"],
        revoked_at=document["revokedAt"],
        presence=document.get("presence", "online"),
        networks={one["network"]: one["at"] for one in document.get("networks", ())},
    )
