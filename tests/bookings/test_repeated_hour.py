"""In the hour that the clocks repeat: what a booking's wall times leave open, its instants and offsets say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from domain.times import to_wire
from tests.bookings.market import Market
from tests.bookings.phones import phone, wanted

ZONE = "America/New_York"
# 05:30Z and 06:30Z are both half past one there.
FIRST = datetime(2027, 11, 7, 5, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "wall", "offsets"),
    [
        (FIRST - timedelta(hours=1), ("00:00", "01:00"), ("-04:00", "-04:00")),
        (FIRST, ("01:00", "01:00"), ("-04:00", "-05:00")),
        (FIRST + timedelta(hours=1), ("01:00", "02:00"), ("-05:00", "-05:00")),
    ],
)
async def test_a_session_of_an_hour_is_an_hour(
    market: Market, start: datetime, wall: tuple[str, str], offsets: tuple[str, str]
) -> None:
    market.clock.now = FIRST - timedelta(days=3)
    trainer = await market.trainer(zone=ZONE, duration=60)
    client = await market.client(trainer)
    async with phone(market, trainer, 1) as hers:
        booked = await market.booked(client, trainer, start)
        assert (booked["startTime"], booked["endTime"]) == wall
        assert (booked["startsAt"], booked["endsAt"]) == (to_wire(start), to_wire(start + timedelta(hours=1)))
        assert booked["durationInMins"] == 60
        assert booked["utcOffsets"] == dict(zip(("start", "end"), offsets, strict=True))
        (event,) = await hers.receive("booking:created")
        assert event["booking"]["utcOffsets"] == booked["utcOffsets"]


@pytest.mark.parametrize(("zone", "offset"), [("UTC", "+00:00"), ("Asia/Kathmandu", "+05:45")])
async def test_offsets_are_hours_and_minutes(market: Market, zone: str, offset: str) -> None:
    trainer = await market.trainer(zone=zone)
    client = await market.client(trainer)
    async with phone(market, client) as his:
        start = datetime.fromisoformat((await market.slots(trainer, market.at(9)))[0])
        booked = await his.do("booking:create", wanted(trainer, start), "/bookings")
    assert booked["utcOffsets"] == {"start": offset, "end": offset}
