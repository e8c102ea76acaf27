"""A trainer's earnings: sums by month and status, the payments behind them, and the same as a table (RFC 4180)."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec

from domain.earnings import EarningSum, fee_kept, net, status_of
from domain.errors import invalid
from domain.payments import Transaction
from domain.times import instant, to_wire
from domain.wire.fields import date_from_wire
from domain.wire.pages import InstantCursor, decode_instant_cursor, page_of
from domain.wire.payments import EarningAnswer, EarningPage, EarningSumAnswer, ListEarnings
from handlers.access import Actor, require_role
from handlers.context import ReadContext

LONGEST_DAYS = 3 * 366
TABLE_ROWS = 10_000
_BATCH = 500
# What a spreadsheet would take for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class _Range(msgspec.Struct, frozen=True):
    """``start`` inclusive, ``end`` exclusive."""

    zone: str
    since: date
    until: date
    start: datetime
    end: datetime


async def list_earnings(context: ReadContext, actor: Actor, command: ListEarnings) -> EarningPage:
    """The latest payments first. Raises ``validation_failed`` for a range that is none or too long."""
    require_role(actor, "trainer")
    wanted = await _range(context, actor, command)
    before = decode_instant_cursor(command.cursor)
    sums = await context.store.earnings.sums(actor.profile_id, wanted.start, wanted.end, wanted.zone)
    found = await context.store.earnings.page(
        actor.profile_id, wanted.start, wanted.end, before, command.limit + 1
    )
    page, cursor = page_of(found, command.limit, lambda one: InstantCursor.of(_paid_at(one), one.id))
    return EarningPage(
        time_zone=wanted.zone,
        since=wanted.since.isoformat(),
        until=wanted.until.isoformat(),
        sums=[_sum(one) for one in sums],
        items=await _answers(context, page),
        next_cursor=cursor,
    )


async def write_earnings(context: ReadContext, actor: Actor, command: ListEarnings) -> bytes:
    """All of the range as one table, the latest first; refuses as above, and what has too many rows."""
    require_role(actor, "trainer")
    wanted = await _range(context, actor, command)
    text = io.StringIO(newline="")
    table = csv.writer(text)
    table.writerow(EarningAnswer.__struct_encode_fields__)
    before: tuple[datetime, str] | None = None
    rows = 0
    while True:
        found = await context.store.earnings.page(actor.profile_id, wanted.start, wanted.end, before, _BATCH)
        for item in await _answers(context, found):
            table.writerow(_cell(value) for value in msgspec.structs.astuple(item))
        rows += len(found)
        if rows > TABLE_ROWS:
            raise invalid("from", f"leaves more than {TABLE_ROWS} payments: take a later day")
        if len(found) < _BATCH:
            return text.getvalue().encode()
        before = _paid_at(found[-1]), found[-1].id


async def _range(context: ReadContext, actor: Actor, command: ListEarnings) -> _Range:
    profile = await context.store.profiles.by_id("trainer", actor.profile_id)
    name = (profile.time_zone if profile else None) or "UTC"
    zone = ZoneInfo(name)
    until = date_from_wire(command.until, "to") if command.until else context.now().astimezone(zone).date()
    if command.since:
        since = date_from_wire(command.since, "from")
    else:
        months = until.year * 12 + until.month - 1 - 11
        since = date(months // 12, months % 12 + 1, 1)
    if since > until:
        raise invalid("to", "has to be the same day as from, or a later one")
    if (until - since).days > LONGEST_DAYS:
        raise invalid("to", f"has to be at most {LONGEST_DAYS} days after from")
    return _Range(name, since, until, instant(zone, since, 0), instant(zone, until + timedelta(days=1), 0))


async def _answers(context: ReadContext, found: Sequence[Transaction]) -> list[EarningAnswer]:
    cards = await context.store.people.cards({one.client_user_id for one in found})
    names = {user_id: card.name for user_id, card in cards.items()}
    return [
        EarningAnswer(
            id=one.id,
            client=one.client_id,
            client_name=names.get(one.client_user_id, ""),
            pack=one.pack,
            credits=one.credits,
            status=status_of(one),
            currency=one.currency,
            amount=one.amount,
            amount_refunded=one.amount_refunded,
            amount_disputed=one.amount_disputed,
            fee=fee_kept(one),
            net=net(one),
            paid_at=to_wire(_paid_at(one)),
        )
        for one in found
    ]


def _sum(found: EarningSum) -> EarningSumAnswer:
    return EarningSumAnswer(**msgspec.structs.asdict(found))


def _paid_at(transaction: Transaction) -> datetime:
    assert transaction.paid_at is not None
    return transaction.paid_at


def _cell(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
