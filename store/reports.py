"""Reports of users and messages. What was reported stays as it was said until its author is erased."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from bson import ObjectId
from pymongo import ASCENDING, DESCENDING, IndexModel, ReturnDocument

from domain.errors import Code, DomainError, not_found
from domain.moderation import Report, ReportStatus
from store.audit import AuditWriter
from store.database import ClientSession, CollectionSchema, Database, Document
from store.failures import repository
from store.idempotency import Keep

NAME = "reports"
SCHEMAS = (
    CollectionSchema(
        NAME,
        (
            IndexModel([("status", ASCENDING), ("_id", DESCENDING)], name="status"),
            IndexModel([("reporterId", ASCENDING), ("status", ASCENDING)], name="reporter"),
            IndexModel([("userId", ASCENDING)], name="user"),
        ),
    ),
)


@repository
class Reports:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._reports = database.collection(NAME)

    @staticmethod
    def new_id() -> str:
        return str(ObjectId())

    async def add(self, report: Report, keep: Keep) -> None:
        async def body(session: ClientSession) -> None:
            await self._reports.insert_one(_document(report), session=session)
            await keep(session=session)

        await self._database.transaction(body)

    async def count_open(self, reporter_id: str, limit: int) -> int:
        """Of one reporter, up to ``limit``."""
        query = {"reporterId": ObjectId(reporter_id), "status": "open"}
        return await self._reports.count_documents(query, limit=limit)

    async def page(self, status: ReportStatus | None, before: str | None, limit: int) -> list[Report]:
        """The newest first, those before that id only."""
        query: Document = {} if status is None else {"status": status}
        if before is not None:
            query["_id"] = {"$lt": ObjectId(before)}
        found = await self._reports.find(query).sort("_id", DESCENDING).limit(limit).to_list(None)
        return [_report(one) for one in found]

    async def resolve(
        self,
        report_id: str,
        resolution: str,
        by: str,
        now: datetime,
        audit: AuditWriter,
        keep: Callable[[Report], Keep],
    ) -> Report:
        """Raises ``not_found``, or ``conflict`` for one that is resolved."""

        async def body(session: ClientSession) -> Report:
            changes = {"status": "resolved", "resolution": resolution, "resolvedBy": ObjectId(by), "resolvedAt": now}
            resolved = await self._reports.find_one_and_update(
                {"_id": ObjectId(report_id), "status": "open"},
                {"$set": changes},
                return_document=ReturnDocument.AFTER,
                session=session,
            )
            if resolved is None:
                if await self._reports.find_one({"_id": ObjectId(report_id)}, {"_id": 1}, session=session) is None:
                    raise not_found("report")
                raise DomainError(Code.CONFLICT, "This report is resolved already.")
            await audit({"status": "open"}, {"status": "resolved", "resolution": resolution}, session=session)
            report = _report(resolved)
            await keep(report)(session=session)
            return report

        return await self._database.transaction(body)

    async def forget(self, user_id: str, *, session: ClientSession) -> None:
        """The words of an erased user: what it was reported for, and what it gave as a reason."""
        erased = ObjectId(user_id)
        await self._reports.update_many({"userId": erased}, {"$set": {"messageText": None}}, session=session)
        await self._reports.update_many({"reporterId": erased}, {"$set": {"reason": None}}, session=session)


def _document(report: Report) -> Document:
    return {
        "_id": ObjectId(report.id),
        "reporterId": ObjectId(report.reporter_id),
        "userId": ObjectId(report.user_id),
        "messageId": None if report.message_id is None else ObjectId(report.message_id),
        "messageText": report.message_text,
        "reason": report.reason,
        "status": report.status,
        "createdAt": report.created_at,
    }


def _report(document: Document) -> Report:
    def optional_id(name: str) -> str | None:
        found = document.get(name)
        return None if found is None else str(found)

    return Report(
        id=str(document["_id"]),
        reporter_id=str(document["reporterId"]),
        user_id=str(document["userId"]),
        message_id=optional_id("messageId"),
        message_text=document["messageText"],
        reason=document["reason"],
        status=document["status"],
        resolution=document.get("resolution"),
        resolved_by=optional_id("resolvedBy"),
        resolved_at=document.get("resolvedAt"),
        created_at=document["createdAt"],
    )
