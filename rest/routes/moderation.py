"""Blocks between users, reports, and what administrators see of everybody."""

from __future__ import annotations

from domain.wire import moderation as wire
from domain.wire.bookings import BookingPage
from handlers import audit
from handlers.accounts.administration import create_admin
from handlers.moderation import blocks, overview, reports
from rest import limits
from rest.route import Route

_ONE = "/me/blocks/{userId}"

ROWS = (
    Route(
        "PUT",
        _ONE,
        blocks.block_person,
        "Block a user: no messages, presence or bookings between the two",
        command=wire.BlockPerson,
        rate=limits.BLOCKS,
    ),
    Route("DELETE", _ONE, blocks.unblock_person, "Take a block back", command=wire.UnblockPerson, rate=limits.BLOCKS),
    Route(
        "POST",
        "/reports",
        reports.make_report,
        "Report a user, or a message of its",
        command=wire.MakeReport,
        answer=wire.ReportAnswer,
        status=201,
        rate=limits.REPORTS,
    ),
    Route(
        "GET",
        "/admin/reports",
        reports.list_reports,
        "The reports, the newest first",
        command=wire.ListReports,
        answer=wire.ReportPage,
    ),
    Route(
        "POST",
        "/admin/reports/{id}/resolve",
        reports.resolve_report,
        "Resolve a report",
        command=wire.ResolveReport,
        answer=wire.ReportDetails,
    ),
    Route(
        "GET",
        "/admin/users",
        overview.list_users,
        "All users, the newest first",
        command=wire.ListUsers,
        answer=wire.UserPage,
    ),
    Route(
        "GET",
        "/admin/bookings",
        overview.list_all_bookings,
        "All bookings, by start",
        command=wire.ListAllBookings,
        answer=BookingPage,
    ),
    Route(
        "GET",
        "/admin/stats",
        overview.statistics,
        "How many there are of everything",
        answer=wire.StatisticsAnswer,
        bulky=True,
    ),
    Route(
        "GET",
        "/admin/audit",
        audit.list_audit,
        "What administrators did, the newest first",
        command=wire.ListAudit,
        answer=wire.AuditPage,
    ),
    Route(
        "POST",
        "/admin/admins",
        create_admin,
        "Make an administrator",
        command=wire.CreateAdmin,
        answer=wire.AdminAnswer,
        status=201,
        rate=limits.PASSWORD_CHECK,
    ),
)
