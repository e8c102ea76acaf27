"""The record of what administrators do, written in the commit of the act. Rows are added and read, never changed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

import msgspec
from bson import ObjectId
from pymongo import ASCENDING, DESCENDING, IndexModel

from domain.accounts import Role
from domain.moderation import Act, AuditEntry, Target
from store.database import ClientSession, CollectionSchema, Database, Document
from store.failures import repository

NAME = "audit"
SCHEMAS = (
    CollectionSchema(
        NAME,
        (
            IndexModel([("actor", ASCENDING), ("_id", DESCENDING)], name="actor"),
            IndexModel([("target.id", ASCENDING), ("_id", DESCENDING)], name="target"),
        ),
    ),
)
Fields = Mapping[str, object]


class AuditWriter(Protocol):
    """Records an act within the transaction that it is called in, with the fields that it changed."""

    async def __call__(
        self, before: Fields | None, after: Fields | None, *, session: ClientSession
    ) -> None: ...


async def unrecorded(before: Fields | None, after: Fields | None, *, session: ClientSession) -> None:
    """Of what no administrator does."""


class PlannedAct(msgspec.Struct, frozen=True, kw_only=True):
    """All of an entry that is known before the act."""

    actor_id: str | None
    actor_role: Role | None
    address: str
    action: Act
    target: Target
    reason: str | None
    at: datetime


class AuditFilter(msgspec.Struct, frozen=True, kw_only=True):
    actor_id: str | None = None
    target_id: str | None = None
    action: Act | None = None


@repository
class Audit:
    def __init__(self, database: Database) -> None:
        self._rows = database.collection(NAME)

    def writer(self, known: PlannedAct) -> AuditWriter:
        async def write(before: Fields | None, after: Fields | None, *, session: ClientSession) -> None:
            row: Document = {
                "_id": ObjectId(),
                "at": known.at,
                "actor": None if known.actor_id is None else ObjectId(known.actor_id),
                "actorRole": known.actor_role,
                "address": known.address,
                "action": known.action,
                "target": {"kind": known.target.kind, "id": ObjectId(known.target.id)},
                "before": None if before is None else dict(before),
                "after": None if after is None else dict(after),
                "reason": known.reason,
            }
            await self._rows.insert_one(row, session=session)

        return write

    async def page(self, wanted: AuditFilter, before: str | None, limit: int) -> list[AuditEntry]:
        """The newest first, those before that id only."""
        query: Document = {}
        if wanted.actor_id is not None:
            query["actor"] = ObjectId(wanted.actor_id)
        if wanted.target_id is not None:
            query["target.id"] = ObjectId(wanted.target_id)
        if wanted.action is not None:
            query["action"] = wanted.action
        if before is not None:
            query["_id"] = {"$lt": ObjectId(before)}
        found = await self._rows.find(query).sort("_id", DESCENDING).limit(limit).to_list(None)
        return [_entry(one) for one in found]


def _entry(document: Document) -> AuditEntry:
    actor = document["actor"]
    return AuditEntry(
        id=str(document["_id"]),
        at=document["at"],
        actor_id=None if actor is None else str(actor),
        actor_role=document["actorRole"],
        address=document["address"],
        action=document["action"],
        target=Target(document["target"]["kind"], str(document["target"]["id"])),
        before=document["before"],
        after=document["after"],
        reason=document["reason"],
    )
