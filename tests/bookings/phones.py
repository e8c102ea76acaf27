"""Phones that listen to bookings, and what they say to book."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from domain.times import to_wire
from domain.wire.events import BOOKINGS, CONVERSATIONS
from tests.bookings.market import Market, Somebody
from tests.harness.devices import Device, device
from tests.harness.people import Person


@asynccontextmanager
async def phone(market: Market, who: Somebody, node: int = 0) -> AsyncIterator[Device]:
    person = Person(who.id, who.person.role, who.person.email, await market.token(who), who.person.session_id)
    async with device(market.urls[node], person, (BOOKINGS, CONVERSATIONS)) as found:
        yield found


def wanted(trainer: Somebody, start: datetime, key: str = "k") -> dict[str, Any]:
    return {"trainerId": trainer.profile, "startsAt": to_wire(start), "payWith": "credit", "idempotencyKey": key}
