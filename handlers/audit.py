"""Recording what administrators do, and reading it. What is recorded commits with the act or not at all."""

from __future__ import annotations

from domain.accounts import ADMINISTRATORS
from domain.moderation import Act, Target, TargetKind
from domain.wire.moderation import AuditPage, ListAudit, audit_answer
from domain.wire.pages import IdCursor, decode_id_cursor, page_of
from handlers.access import Actor, require_role
from handlers.context import ReadContext
from store.audit import AuditFilter, AuditWriter, PlannedAct


def audit_writer(
    context: ReadContext, actor: Actor, action: Act, kind: TargetKind, target_id: str, reason: str | None = None
) -> AuditWriter:
    """What the store calls in the act's transaction, with the fields before and after it."""
    return context.store.audit.writer(
        PlannedAct(
            actor_id=actor.user_id,
            actor_role=actor.role,
            address=actor.address,
            action=action,
            target=Target(kind, target_id),
            reason=reason,
            at=context.now(),
        )
    )


async def list_audit(context: ReadContext, actor: Actor, command: ListAudit) -> AuditPage:
    """The newest first."""
    require_role(actor, *ADMINISTRATORS)
    wanted = AuditFilter(actor_id=command.actor, target_id=command.target, action=command.action)
    found = await context.store.audit.page(wanted, decode_id_cursor(command.cursor), command.limit + 1)
    page, cursor = page_of(found, command.limit, lambda one: IdCursor(one.id))
    return AuditPage(items=[audit_answer(one) for one in page], next_cursor=cursor)
