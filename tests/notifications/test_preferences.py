"""What one is notified of, and when not: chosen over REST, and what follows from it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from domain.notifications import DEFAULTS, KINDS, Preferences, QuietHours, not_before, quiet_until
from tests.bookings.market import Answer, Market, Somebody

PATH = "/me/notifications"


async def put(market: Market, who: Somebody, body: Any) -> Answer:
    return await market.call("PUT", PATH, body, who, node=1)


async def test_everything_is_on_until_it_is_turned_off(market: Market) -> None:
    who, other = await market.client(), await market.client()
    first = (await market.call("GET", PATH, None, who)).body
    assert [one["kind"] for one in first["kinds"]] == [kind.name for kind in KINDS]
    assert all(on for one in first["kinds"] for on in one["channels"].values())
    assert first["quietHours"] is None
    quiet = {"startTime": "22:00", "endTime": "07:00", "timeZone": "Asia/Kolkata"}
    chosen = {"kinds": [{"kind": "message", "channels": {"mail": False}}], "quietHours": quiet}
    answered = await put(market, who, chosen)
    assert answered.status == 200
    by_kind = {one["kind"]: one["channels"] for one in answered.body["kinds"]}
    assert by_kind["message"] == {"mail": False, "push": True}
    assert by_kind["account"] == by_kind["signIn"] == {"mail": True}
    assert by_kind["booking"] == {"mail": True, "push": True}
    assert answered.body["quietHours"] == quiet
    assert (await market.call("GET", PATH, None, who)).body == answered.body
    assert (await market.call("GET", PATH, None, other)).body == first
    # As it was answered it can be put again, and nothing chosen is everything on.
    assert (await put(market, who, answered.body)).body == answered.body
    assert (await put(market, who, {})).body == first


CHANNELS = {"mail": True}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"kinds": None}, "kinds"),
        ({"kinds": {}}, "kinds"),
        ({"kinds": [{"kind": "gossip", "channels": CHANNELS}]}, "kinds[0].kind"),
        ({"kinds": [{"kind": {"$ne": 1}, "channels": CHANNELS}]}, "kinds[0].kind"),
        ({"kinds": [{"kind": "message"}]}, "kinds[0].channels"),
        ({"kinds": [{"kind": "message", "channels": {"mail": "no"}}]}, "kinds[0].channels.mail"),
        ({"kinds": [{"kind": "message", "channels": {"mail": None}}]}, "kinds[0].channels.mail"),
        ({"kinds": [{"kind": "message", "channels": {"fax": True}}]}, "kinds[0].channels.fax"),
        ({"kinds": [{"kind": "signIn", "channels": {"push": True}}]}, "kinds[0].channels.push"),
        ({"kinds": [{"kind": "signIn", "channels": {"mail": False}}]}, "kinds[0].channels.mail"),
        ({"kinds": [{"kind": "booking", "channels": CHANNELS}] * 2}, "kinds[1].kind"),
        ({"kinds": [{"kind": "booking", "channels": CHANNELS}] * 13}, "kinds"),
        ({"quietHours": "at night"}, "quietHours"),
        ({"quietHours": {"startTime": "22:00"}}, "quietHours.endTime"),
        ({"quietHours": {"startTime": "22:00", "endTime": "22:00"}}, "quietHours.endTime"),
        ({"quietHours": {"startTime": "25:00", "endTime": "07:00"}}, "quietHours.startTime"),
        ({"quietHours": {"startTime": "22:00", "endTime": "07:00\n"}}, "quietHours.endTime"),
        ({"quietHours": {"startTime": "22:00", "endTime": "07:00", "timeZone": "Mars"}}, "quietHours.timeZone"),
        ({"quietHours": {"startTime": "22:00", "endTime": "07:00", "days": []}}, "quietHours.days"),
        ({"mail": True}, "mail"),
    ],
)
async def test_what_is_refused_is_named(market: Market, body: Any, field: str) -> None:
    who = await market.client()
    before = (await market.call("GET", PATH, None, who)).body
    answer = await put(market, who, body)
    assert (answer.status, answer.code) == (422, "validation_failed"), answer
    assert [error["field"] for error in answer.body["errors"]] == [field]
    assert (await market.call("GET", PATH, None, who)).body == before


NIGHT = QuietHours(start=22 * 60, end=7 * 60, time_zone="Europe/Berlin")


def at(hour: int, minute: int = 0, *, day: int = 1, month: int = 2) -> datetime:
    """In UTC; Berlin is an hour ahead in February, and two from the 28th of March 2027 on."""
    return datetime(2027, month, day, hour, minute, tzinfo=UTC)


def test_quiet_hours_are_those_of_the_zone() -> None:
    night = Preferences(quiet_hours=NIGHT)
    assert quiet_until(DEFAULTS, "Europe/Berlin", at(2)) is None
    assert quiet_until(night, None, at(20, 59)) is None
    assert quiet_until(night, None, at(21)) == at(6, day=2)
    assert quiet_until(night, "Asia/Tokyo", at(5, 59)) == at(6)
    assert quiet_until(night, None, at(6)) is None
    # One's own zone, where none was named.
    own = Preferences(quiet_hours=QuietHours(start=22 * 60, end=7 * 60))
    assert quiet_until(own, "Asia/Tokyo", at(14)) == at(22)
    assert quiet_until(own, None, at(23)) == at(7, day=2)
    # The clocks go forward in the night.
    assert quiet_until(night, None, at(22, day=27, month=3)) == at(5, day=28, month=3)
    noon = Preferences(quiet_hours=QuietHours(start=12 * 60, end=13 * 60, time_zone="UTC"))
    assert quiet_until(noon, None, at(12, 30)) == at(13)
    assert quiet_until(noon, None, at(13)) is None


def test_what_would_come_too_late_comes_at_once() -> None:
    night = Preferences(quiet_hours=NIGHT)
    assert not_before(night, None, at(22)) == at(6, day=2)
    assert not_before(night, None, at(12)) == at(12)
    assert not_before(night, None, at(22), deadline=at(7, day=2)) == at(6, day=2)
    assert not_before(night, None, at(22), deadline=at(5, day=2)) == at(22)
