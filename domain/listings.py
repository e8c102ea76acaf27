"""What search holds of a trainer, derived from what the trainer, the clients and the administrators entered.

A listing carries *terms*; a search asks for terms. Whoever is hidden has none, so that no search can find them. Each
order of the results is one unique key (``Position``), which makes a page's end exact whatever is added meanwhile.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Literal

import msgspec

from domain.availability import Day
from domain.catalogue import Pricing
from domain.text import beginnings, plain, words

Sort = Literal["rating", "price", "newest"]
Position = str

# Every trainer who may be found.
EVERYBODY = "*"
# More would make the indexes large; nobody's name and places have that many.
MAX_WORDS = 60
# Beyond every price (``domain.pricing``): those who sell nothing come last.
_NO_PRICE = 10**10 - 1


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """What of a trainer can be searched for. ``texts``: found by their words; ``days``: on which the trainer works."""

    trainer_id: str
    created_at: datetime
    texts: tuple[str, ...] = ()
    cities: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    sub_categories: tuple[str, ...] = ()
    days: tuple[Day, ...] = ()
    pricing: Pricing
    rating_sum: int = 0
    rating_count: int = 0


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    trainer_id: str
    terms: tuple[str, ...]
    price: int | None
    rating: float | None
    by_rating: Position
    by_price: Position
    by_age: Position


def listing_of(offer: Offer, *, visible: bool) -> Listing:
    price = price_of_one(offer.pricing)
    rating = average(offer.rating_sum, offer.rating_count)
    return Listing(
        trainer_id=offer.trainer_id,
        terms=tuple(_terms(offer)) if visible else (),
        price=price,
        rating=rating,
        by_rating=f"{_stars(rating or 0)} {offer.rating_count:08d} {offer.trainer_id}",
        by_price=f"{_amount(_NO_PRICE if price is None else price)} {offer.trainer_id}",
        by_age=f"{int(offer.created_at.timestamp() * 1000):015d} {offer.trainer_id}",
    )


def average(total: int, count: int) -> float | None:
    return total / count if count else None


def price_of_one(pricing: Pricing) -> int | None:
    """What one session costs: singly where it is sold singly, else in the pack where it costs least, rounded up."""
    if pricing.is_individual_session_available:
        return pricing.individual_session_price
    packs = [
        (pricing.is_five_session_available, pricing.five_session_price, 5),
        (pricing.is_ten_session_available, pricing.ten_session_price, 10),
    ]
    return min((-(-price // size) for offered, price, size in packs if offered and price is not None), default=None)


def _terms(offer: Offer) -> Iterable[str]:
    known = dict.fromkeys(word for text in offer.texts for word in words(text))
    typed = dict.fromkeys(beginning for word in list(known)[:MAX_WORDS] for beginning in beginnings(word))
    yield EVERYBODY
    yield from map(_word, typed)
    yield from dict.fromkeys(map(in_city, offer.cities))
    yield from dict.fromkeys(map(in_country, offer.countries))
    yield from map(of_category, offer.categories)
    yield from dict.fromkeys(map(of_sub_category, offer.sub_categories))
    yield with_trial(offer.pricing.free_trial)
    yield from map(working_on, dict.fromkeys(offer.days))


# --- what a search asks for ---


class TrainerQuery(msgspec.Struct, frozen=True, kw_only=True):
    """``terms``: of each group one at least. ``after``: where the last page ended."""

    terms: tuple[tuple[str, ...], ...] = ()
    min_rating: float | None = None
    max_price: int | None = None
    sort: Sort = "rating"
    after: Position | None = None


def in_city(name: str) -> str:
    return f"city:{plain(name)}"


def in_country(name: str) -> str:
    return f"country:{plain(name)}"


def of_category(category_id: str) -> str:
    return f"category:{category_id}"


def of_sub_category(sub_category_id: str) -> str:
    return f"sub:{sub_category_id}"


def with_trial(free: bool) -> str:
    return f"trial:{'yes' if free else 'no'}"


def working_on(day: Day) -> str:
    return f"day:{day}"


def word_terms(word: str, categories: Iterable[str], sub_categories: Iterable[str]) -> tuple[str, ...]:
    """A word that is begun in the trainer's texts, or in the name of one of these categories."""
    return _word(word), *map(of_category, categories), *map(of_sub_category, sub_categories)


def begins(word: str, names: Collection[str]) -> bool:
    """Whether one of the names has a word that begins so."""
    return any(found.startswith(word) for name in names for found in words(name))


def rated_from(stars: float) -> Position:
    """Before every position with that rating and above every lower one."""
    return _stars(stars)


def priced_up_to(price: int) -> Position:
    """Behind every position with that price."""
    return f"{_amount(price)}~"


def _word(word: str) -> str:
    return f"word:{word}"


def _stars(rating: float) -> str:
    return f"{rating:.9f}"


def _amount(price: int) -> str:
    return f"{price:010d}"
