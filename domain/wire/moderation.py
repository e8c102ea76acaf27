"""Commands and answers of blocks between users, of reports, and of what administrators see."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from domain.accounts import Role
from domain.bookings import Status
from domain.moderation import Act, AuditEntry, Report, ReportStatus, TargetKind
from domain.times import to_wire, to_wire_or_none
from domain.wire.base import Answer, Command
from domain.wire.bookings import Statuses
from domain.wire.fields import Cursor, DateOrInstant, Email, Id, Name, PageSize, Password, ReasonText

_Beginning = Annotated[
    str, Meta(max_length=254, pattern=r"^[^\s\x00-\x1f\x7f-\x9f]+\Z", description="how an address begins")
]


class BlockPerson(Command, frozen=True, kw_only=True):
    user_id: Id


class UnblockPerson(Command, frozen=True, kw_only=True):
    user_id: Id


class MakeReport(Command, frozen=True, kw_only=True):
    """``message_id``: a message that the reported user sent to the reporter."""

    user_id: Id
    message_id: Id | None = None
    reason: ReasonText


class ListReports(Command, frozen=True, kw_only=True):
    status: ReportStatus | None = None
    cursor: Cursor | None = None
    limit: PageSize = 20


class ResolveReport(Command, frozen=True, kw_only=True):
    id: Id
    resolution: ReasonText


class ListUsers(Command, frozen=True, kw_only=True):
    role: Role | None = None
    is_blocked: bool | None = None
    email: _Beginning | None = None
    cursor: Cursor | None = None
    limit: PageSize = 20


class ListAllBookings(Command, frozen=True, kw_only=True):
    """By start, the earliest first; ``trainer`` and ``client`` are ids of profiles."""

    trainer: Id | None = None
    client: Id | None = None
    status: Statuses | None = None
    since: DateOrInstant | None = msgspec.field(name="from", default=None)
    until: DateOrInstant | None = msgspec.field(name="to", default=None)
    cursor: Cursor | None = None
    limit: PageSize = 20


class ListAudit(Command, frozen=True, kw_only=True):
    """``actor``: a user's id; ``target``: the id of whatever was acted on."""

    actor: Id | None = None
    target: Id | None = None
    action: Act | None = None
    cursor: Cursor | None = None
    limit: PageSize = 20


class CreateAdmin(Command, frozen=True, kw_only=True):
    email: Email
    name: Name
    password: Password


class ReportAnswer(Answer, frozen=True, kw_only=True):
    """What its reporter is told."""

    id: str
    user_id: str
    message_id: str | None
    reason: str | None
    status: ReportStatus
    created_at: str


class ReportDetails(ReportAnswer, frozen=True, kw_only=True):
    """``message_text``: what the message said when it was reported."""

    reporter_id: str
    message_text: str | None
    resolution: str | None
    resolved_by: str | None
    resolved_at: str | None


class ReportPage(Answer, frozen=True, kw_only=True):
    items: list[ReportDetails]
    next_cursor: str | None


class BlockDetails(Answer, frozen=True, kw_only=True):
    by: str
    reason: str
    at: str | None


class UserDetails(Answer, frozen=True, kw_only=True):
    """``block`` is there while the user is blocked by an administrator; the erased have no ``email``."""

    id: str
    email: str | None
    role: Role
    profile_id: str
    name: str
    is_verified: bool
    is_active: bool
    is_blocked: bool
    is_deleted: bool
    block: BlockDetails | None
    created_at: str
    updated_at: str


class UserPage(Answer, frozen=True, kw_only=True):
    items: list[UserDetails]
    next_cursor: str | None


class AuditTarget(Answer, frozen=True, kw_only=True):
    kind: TargetKind
    id: str


class AuditAnswer(Answer, frozen=True, kw_only=True):
    """``actor`` is null for the command line; ``before`` and ``after`` are the fields that the act changed."""

    id: str
    at: str
    actor: str | None
    actor_role: Role | None
    address: str
    action: Act
    target: AuditTarget
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    reason: str | None


class AuditPage(Answer, frozen=True, kw_only=True):
    items: list[AuditAnswer]
    next_cursor: str | None


class UserCounts(Answer, frozen=True, kw_only=True):
    by_role: dict[Role, int]
    blocked: int


class StatisticsAnswer(Answer, frozen=True, kw_only=True):
    """``conversations`` and ``entries`` (of all logs) are close, the others exact."""

    at: str
    users: UserCounts
    bookings: dict[Status, int]
    reports: dict[ReportStatus, int]
    conversations: int
    entries: int


class AdminAnswer(Answer, frozen=True, kw_only=True):
    id: str
    email: str
    name: str
    role: Role
    profile_id: str
    created_at: str


def report_answer(report: Report) -> ReportAnswer:
    return ReportAnswer(
        id=report.id,
        user_id=report.user_id,
        message_id=report.message_id,
        reason=report.reason,
        status=report.status,
        created_at=to_wire(report.created_at),
    )


def report_details(report: Report) -> ReportDetails:
    return ReportDetails(
        **msgspec.structs.asdict(report_answer(report)),
        reporter_id=report.reporter_id,
        message_text=report.message_text,
        resolution=report.resolution,
        resolved_by=report.resolved_by,
        resolved_at=to_wire_or_none(report.resolved_at),
    )


def audit_answer(entry: AuditEntry) -> AuditAnswer:
    return AuditAnswer(
        id=entry.id,
        at=to_wire(entry.at),
        actor=entry.actor_id,
        actor_role=entry.actor_role,
        address=entry.address,
        action=entry.action,
        target=AuditTarget(kind=entry.target.kind, id=entry.target.id),
        before=None if entry.before is None else dict(entry.before),
        after=None if entry.after is None else dict(entry.after),
        reason=entry.reason,
    )
