"""Search over the trainers whom everybody may find."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from domain import listings
from domain.catalogue_answers import TrainerPage
from domain.commands.catalogue import SearchTrainers
from domain.errors import invalid
from domain.fields import date_from_wire
from domain.listings import Position, Sort, Wanted
from domain.pages import decode_cursor, encode_cursor, not_from_here
from domain.words import words
from handlers.actor import Visitor
from handlers.catalogue.cards import cards
from handlers.catalogue.free_days import free_on
from handlers.context import Context
from store.listings import Listed

MOST_WORDS = 10


class _Place(msgspec.Struct, frozen=True):
    """Where a page ended, in the order in which it was asked for."""

    sort: Sort
    position: Position


async def search_trainers(context: Context, visitor: Visitor, command: SearchTrainers) -> TrainerPage:
    """A trainer comes once however many others come or go meanwhile; one whose own place changes may move past."""
    wanted = Wanted(
        terms=(*_terms(command), *await _spoken(context, command.q or "")),
        # Who has no review yet stands at 0 stars, and is left out by any more.
        min_rating=command.min_rating or None,
        max_price=command.max_price,
        sort=command.sort,
        after=_after(command),
    )
    if command.available_on is None:
        found, end = await _page(context, wanted, command.limit)
    else:
        found, end = await free_on(context, wanted, date_from_wire(command.available_on, "availableOn"), command.limit)
    place = None if end is None else encode_cursor(_Place(command.sort, end))
    return TrainerPage(items=await cards(context, found), next_cursor=place)


async def _page(context: Context, wanted: Wanted, limit: int) -> tuple[list[Listed], Position | None]:
    """The trainers, and where the next page goes on, if there is one."""
    found = await context.store.listings.page(wanted, limit + 1)
    return found[:limit], found[limit - 1].position if len(found) > limit else None


def _after(command: SearchTrainers) -> Position | None:
    if command.cursor is None:
        return None
    place = decode_cursor(_Place, command.cursor)
    if place.sort != command.sort:
        raise not_from_here()
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


async def _spoken(context: Context, text: str) -> list[tuple[str, ...]]:
    """Each word has to be begun in the trainer's texts or in the name of something that the trainer offers."""
    if not text.strip():
        return []
    spoken = words(text)
    if len(spoken) > MOST_WORDS:
        raise invalid("q", f"has more than {MOST_WORDS} words")
    if not spoken:
        # Signs only: no word of anybody's.
        return [()]
    categories, subs = await context.store.categories.all()
    return [
        listings.saying(
            word,
            (one.id for one in categories if listings.begins(word, [one.name])),
            (one.id for one in subs if listings.begins(word, [one.name])),
        )
        for word in spoken
    ]
