"""What search knows of a trainer."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from domain.availability import WeekWindow, days_of, weekday
from domain.catalogue import Pricing
from domain.listings import Offer, listing_of, priced_up_to, rated_from

AT = datetime(2026, 11, 22, tzinfo=UTC)


def offer(number: int = 0, price: int | None = None, stars: tuple[int, int] = (0, 0)) -> Offer:
    pricing = Pricing(
        trainer_id=f"{number:024x}",
        individual_session_price=price,
        is_individual_session_available=price is not None,
    )
    return Offer(
        trainer_id=f"{number:024x}",
        created_at=AT,
        texts=("Ann Lee",),
        cities=("Bern",),
        pricing=pricing,
        rating_sum=stars[0],
        rating_count=stars[1],
    )


def test_who_is_hidden_has_no_terms() -> None:
    assert listing_of(offer(), visible=False).terms == ()
    assert "*" in listing_of(offer(), visible=True).terms


RATINGS = st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(n, 5 * n), st.just(n)))


@given(st.lists(RATINGS, min_size=2, max_size=2), st.floats(1, 5))
def test_positions_sort_as_ratings_do(ratings: list[tuple[int, int]], limit: float) -> None:
    one, other = (listing_of(offer(stars=stars), visible=True) for stars in ratings)
    assert one.rating is not None
    assert other.rating is not None
    if one.rating != other.rating and abs(one.rating - other.rating) > 1e-8:
        assert (one.rating < other.rating) == (one.by_rating < other.by_rating)
    if one.rating >= limit:
        assert one.by_rating >= rated_from(limit)


@given(st.lists(st.none() | st.integers(50, 99_999_999), min_size=2, max_size=2), st.integers(0, 99_999_999))
def test_positions_sort_as_prices_do_and_nothing_for_sale_comes_last(prices: list[int | None], limit: int) -> None:
    one, other = (listing_of(offer(number, price), visible=True) for number, price in enumerate(prices))
    keys = [(price is None, price or 0) for price in prices]
    assert (keys[0] <= keys[1]) == (one.by_price < other.by_price)
    assert (one.by_price <= priced_up_to(limit)) == (prices[0] is not None and prices[0] <= limit)


def test_days_of_a_window() -> None:
    assert days_of(WeekWindow(day="Monday", start=540, end=720)) == ("Monday",)
    assert days_of(WeekWindow(day="Monday", start=540, end=1440)) == ("Monday",)
    assert days_of(WeekWindow(day="Friday", start=1320, end=60)) == ("Friday", "Saturday")
    assert days_of(WeekWindow(day="Friday", start=1320, end=0)) == ("Friday",)
    assert [weekday(AT.date().replace(day=day)) for day in (21, 22, 23)] == ["Saturday", "Sunday", "Monday"]
