"""What administrators see of everybody: users, bookings, and how many there are of each."""

from __future__ import annotations

from typing import cast

from domain.accounts import ADMINISTRATORS, Role
from domain.bookings import Status
from domain.moderation import ReportStatus
from domain.times import to_wire, to_wire_or_none
from domain.wire.bookings import BookingPage
from domain.wire.moderation import (
    BlockDetails,
    ListAllBookings,
    ListUsers,
    StatisticsAnswer,
    UserCounts,
    UserDetails,
    UserPage,
)
from domain.wire.pages import IdCursor, decode_id_cursor, page_of
from handlers.access import Actor, require_role
from handlers.bookings.queries import bookings_by_start
from handlers.context import ReadContext
from store.bookings import BookingFilter
from store.users import ListedUser, UserFilter


async def list_users(context: ReadContext, actor: Actor, command: ListUsers) -> UserPage:
    """The newest first."""
    require_role(actor, *ADMINISTRATORS)
    email = None if command.email is None else command.email.casefold()
    wanted = UserFilter(role=command.role, blocked=command.is_blocked, email_begins=email)
    found = await context.store.users.page(wanted, decode_id_cursor(command.cursor), command.limit + 1)
    page, cursor = page_of(found, command.limit, lambda one: IdCursor(one.user.id))
    cards = await context.store.people.cards([one.user.id for one in page])
    return UserPage(
        items=[_details(one, cards[one.user.id].name if one.user.id in cards else "") for one in page],
        next_cursor=cursor,
    )


def _details(listed: ListedUser, name: str) -> UserDetails:
    user, block = listed.user, listed.block
    return UserDetails(
        id=user.id,
        email=None if user.is_deleted else user.email,
        role=user.role,
        profile_id=user.profile_id,
        name=name,
        is_verified=user.is_verified,
        is_active=user.is_active,
        is_blocked=user.is_blocked,
        is_deleted=user.is_deleted,
        block=None
        if block is None
        else BlockDetails(by=block.by, reason=block.reason, at=to_wire_or_none(listed.blocked_at)),
        created_at=to_wire(user.created_at),
        updated_at=to_wire(user.updated_at),
    )


async def list_all_bookings(context: ReadContext, actor: Actor, command: ListAllBookings) -> BookingPage:
    """By start, the earliest first."""
    require_role(actor, *ADMINISTRATORS)
    whose = BookingFilter(trainer_id=command.trainer, client_id=command.client)
    return await bookings_by_start(context, command, whose)


async def statistics(context: ReadContext, actor: Actor, command: None) -> StatisticsAnswer:
    """Counted anew for each who asks, from indexes."""
    require_role(actor, *ADMINISTRATORS)
    at = context.now()
    counted = await context.store.counts.all()
    return StatisticsAnswer(
        at=to_wire(at),
        users=UserCounts(by_role=cast(dict[Role, int], counted.users), blocked=counted.blocked_users),
        bookings=cast(dict[Status, int], counted.bookings),
        reports=cast(dict[ReportStatus, int], counted.reports),
        conversations=counted.conversations,
        entries=counted.entries,
    )
