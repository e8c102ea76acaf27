"""Blocks between users, reports, and the record of what administrators do."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

import msgspec

from domain.accounts import Role
from domain.errors import Code, DomainError

# Of one user: whom it blocks, and its reports that nobody has resolved.
MAX_BLOCKS, MAX_OPEN_REPORTS = 1000, 50

ReportStatus = Literal["open", "resolved"]
TargetKind = Literal["user", "report", "booking", "review", "category", "subcategory", "transaction", "webhook"]
# What administrators do.
Act = Literal[
    "user.block", "user.unblock", "admin.create", "report.resolve", "booking.cancel", "booking.reschedule",
    "review.delete", "category.create", "category.update", "category.delete", "subcategory.create",
    "subcategory.update", "subcategory.delete", "transaction.refund", "payment.difference",
    "webhook.create", "webhook.update", "webhook.delete",
]  # fmt: skip


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """``user_id`` is who is reported; ``message_text``: what the message said when it was reported."""

    id: str
    reporter_id: str
    user_id: str
    message_id: str | None
    message_text: str | None
    reason: str | None
    status: ReportStatus = "open"
    resolution: str | None = None
    resolved_by: str | None = None
    resolved_at: datetime | None = None
    created_at: datetime


class Target(msgspec.Struct, frozen=True):
    kind: TargetKind
    id: str


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One act. ``actor_id`` is nothing for whoever used the command line, ``address`` the network address.

    ``before`` and ``after``: the fields that the act changed; nothing of what did not exist.
    """

    id: str
    at: datetime
    actor_id: str | None
    actor_role: Role | None
    address: str
    action: Act
    target: Target
    before: Mapping[str, object] | None
    after: Mapping[str, object] | None
    reason: str | None = None


def blocked_between() -> DomainError:
    """The same for both, whoever blocked whom."""
    return DomainError(Code.FORBIDDEN, "One of you has blocked the other.")
