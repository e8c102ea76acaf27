"""Feeds of bookings as calendars subscribe to them."""

from __future__ import annotations

from typing import Any

import pytest
from icalendar import Calendar

from domain.bookings import Booking
from tests.bookings.market import Market, Somebody


async def feed_of(market: Market, who: Somebody, **said: bool) -> str:
    answer = await market.call("POST", "/me/calendar", said, who)
    assert answer.status == 201, answer.body
    return str(answer.body["url"])


async def read_feed(market: Market, url: str) -> list[Any]:
    async with market.http.get(market.urls[0] + url) as response:
        assert response.status == 200
        assert response.headers["Content-Type"] == "text/calendar; charset=utf-8"
        text = await response.text()
    assert all(len(line.encode()) <= 75 for line in text.split("\r\n"))
    return list(Calendar.from_ical(text).walk("VEVENT"))


async def tag_of(market: Market, url: str, node: int = 0) -> str:
    async with market.http.get(market.urls[node] + url) as answer:
        assert answer.status == 200
        return answer.headers["ETag"]


class Pages:
    """Counts how often a node reads bookings to write them."""

    def __init__(self, market: Market, monkeypatch: pytest.MonkeyPatch, node: int) -> None:
        bookings = market.nodes[node].store.bookings
        self.read = 0
        page = bookings.page

        async def counted(*arguments: Any) -> list[Booking]:
            self.read += 1
            return await page(*arguments)

        monkeypatch.setattr(bookings, "page", counted)
