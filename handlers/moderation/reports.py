"""Users report each other and what was said; administrators read and resolve it."""

from __future__ import annotations

from domain.accounts import ADMINISTRATORS
from domain.errors import Code, DomainError, invalid, not_found
from domain.moderation import MAX_OPEN_REPORTS, Report
from domain.wire.moderation import (
    ListReports,
    MakeReport,
    ReportAnswer,
    ReportDetails,
    ReportPage,
    ResolveReport,
    report_answer,
    report_details,
)
from domain.wire.pages import IdCursor, decode_id_cursor, page_of
from handlers import access
from handlers.access import Actor, require_role
from handlers.audit import audit_writer
from handlers.context import ReadContext
from handlers.idempotency import KeepResult, idempotent_commit


@idempotent_commit("report:create")
async def make_report(context: ReadContext, actor: Actor, command: MakeReport, keep: KeepResult) -> ReportAnswer:
    """Raises ``not_found``, or ``conflict`` when too many of the actor's wait."""
    require_role(actor, "client", "trainer")
    if command.user_id == actor.user_id:
        raise invalid("userId", "is yourself")
    reported = await context.store.users.by_id(command.user_id)
    if reported is None or reported.is_deleted or not reported.is_verified:
        raise not_found("user")
    text = None
    if command.message_id is not None:
        _, message = await access.message(context, actor, command.message_id)
        if message.sender_id != reported.id:
            raise invalid("messageId", "is not a message of that user")
        text = message.text
    if await context.store.reports.count_open(actor.user_id, MAX_OPEN_REPORTS) >= MAX_OPEN_REPORTS:
        raise DomainError(Code.CONFLICT, f"{MAX_OPEN_REPORTS} of your reports wait to be read.")
    report = Report(
        id=context.store.reports.new_id(),
        reporter_id=actor.user_id,
        user_id=reported.id,
        message_id=command.message_id,
        message_text=text,
        reason=command.reason,
        created_at=context.now(),
    )
    answer = report_answer(report)
    await context.store.reports.add(report, keep(answer))
    return answer


async def list_reports(context: ReadContext, actor: Actor, command: ListReports) -> ReportPage:
    """The newest first."""
    require_role(actor, *ADMINISTRATORS)
    found = await context.store.reports.page(command.status, decode_id_cursor(command.cursor), command.limit + 1)
    page, cursor = page_of(found, command.limit, lambda one: IdCursor(one.id))
    return ReportPage(items=[report_details(one) for one in page], next_cursor=cursor)


@idempotent_commit("report:resolve")
async def resolve_report(context: ReadContext, actor: Actor, command: ResolveReport, keep: KeepResult) -> ReportDetails:
    """Raises ``not_found``, or ``conflict`` for one that is resolved."""
    require_role(actor, *ADMINISTRATORS)
    audit = audit_writer(context, actor, "report.resolve", "report", command.id)
    resolved = await context.store.reports.resolve(
        command.id, command.resolution, actor.user_id, context.now(), audit, lambda report: keep(report_details(report))
    )
    return report_details(resolved)
