"""Search over the trainers whom everybody may find, by terms and by free slots on a day."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta

import msgspec

from domain import listings
from domain.availability import weekday
from domain.characters import is_blank
from domain.errors import invalid
from domain.listings import Position, Sort, TrainerQuery, working_on
from domain.slots import HORIZON_DAYS
from domain.text import words
from domain.wire.catalogue import SearchTrainers, TrainerPage
from domain.wire.fields import date_from_wire
from domain.wire.pages import decode_cursor, encode_cursor, invalid_cursor
from handlers.access import Visitor
from handlers.catalogue.cards import cards
from handlers.context import ReadContext
from handlers.slots.free import free_among
from store.listings import Listed

MOST_WORDS = 10


class _PageCursor(msgspec.Struct, frozen=True):
    """Where a page ended, in the order in which it was asked for."""

    sort: Sort
    position: Position


async def search_trainers(context: ReadContext, visitor: Visitor, command: SearchTrainers) -> TrainerPage:
    """A trainer comes once however many others come or go meanwhile; one whose own place changes may move past."""
    wanted = TrainerQuery(
        terms=(*_terms(command), *await _text_terms(context, command.q or "")),
        # Who has no review yet has 0 stars, and is left out by any more.
        min_rating=command.min_rating or None,
        max_price=command.max_price,
        sort=command.sort,
        after=_after(command),
    )
    if command.available_on is None:
        found, end = await _page(context, wanted, command.limit)
    else:
        found, end = await free_on(context, wanted, date_from_wire(command.available_on, "availableOn"), command.limit)
    place = None if end is None else encode_cursor(_PageCursor(command.sort, end))
    return TrainerPage(items=await cards(context, found), next_cursor=place)


async def _page(context: ReadContext, wanted: TrainerQuery, limit: int) -> tuple[list[Listed], Position | None]:
    """The trainers, and where the next page goes on, if there is one."""
    found = await context.store.listings.page(wanted, limit + 1)
    return found[:limit], found[limit - 1].position if len(found) > limit else None


def _after(command: SearchTrainers) -> Position | None:
    if command.cursor is None:
        return None
    place = decode_cursor(_PageCursor, command.cursor)
    if place.sort != command.sort:
        raise invalid_cursor()
    return place.position


def _terms(command: SearchTrainers) -> Iterable[tuple[str]]:
    # What few trainers have comes first: the first group is where the index is read.
    if command.sub_category is not None:
        yield (listings.of_sub_category(command.sub_category),)
    if command.city is not None:
        yield (listings.in_city(command.city),)
    if command.category is not None:
        yield (listings.of_category(command.category),)
    if command.country is not None:
        yield (listings.in_country(command.country),)
    if command.free_trial is not None:
        yield (listings.with_trial(command.free_trial),)


async def _text_terms(context: ReadContext, text: str) -> list[tuple[str, ...]]:
    """Each word has to be begun in the trainer's texts or in the name of something that the trainer offers."""
    if is_blank(text):
        return []
    searched = words(text)
    if len(searched) > MOST_WORDS:
        raise invalid("q", f"has to have at most {MOST_WORDS} words")
    if not searched:
        # Signs only: no word of anybody's.
        return [()]
    categories, subs = await context.store.categories.all()
    return [
        listings.word_terms(
            word,
            (one.id for one in categories if listings.begins(word, [one.name])),
            (one.id for one in subs if listings.begins(word, [one.name])),
        )
        for word in searched
    ]


# Schedules that are worked out for one answer: what is then still missing is for the next page.
MOST_LOOKED_AT = 300
AT_ONCE = 50


async def free_on(
    context: ReadContext, wanted: TrainerQuery, day: date, limit: int
) -> tuple[list[Listed], Position | None]:
    """At most ``limit`` of them, and where to go on, if there may be more."""
    now = context.now()
    if not _within_reach(day, now):
        return [], None
    wanted = msgspec.structs.replace(wanted, terms=((working_on(weekday(day)),), *wanted.terms))
    free: list[Listed] = []
    for _ in range(MOST_LOOKED_AT // AT_ONCE):
        found = await context.store.listings.page(wanted, AT_ONCE + 1)
        batch = found[:AT_ONCE]
        have_time = await free_among(context, [one.trainer_id for one in batch], day, now)
        for one in batch:
            if one.trainer_id in have_time:
                free.append(one)
                if len(free) == limit:
                    return free, one.position if one is not found[-1] else None
        if len(found) == len(batch):
            return free, None
        wanted = msgspec.structs.replace(wanted, after=batch[-1].position)
    return free, wanted.after


def _within_reach(day: date, now: datetime) -> bool:
    """Whether any zone offers slots on that day; it may be tomorrow somewhere, or still yesterday."""
    today = now.date()
    return today - timedelta(days=1) <= day <= today + timedelta(days=HORIZON_DAYS + 1)
