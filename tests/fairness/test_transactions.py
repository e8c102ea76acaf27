"""Bookings beside an account that changes its own things as fast as it can: each change is a transaction."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp

from tests.fairness.flood import flood, timed
from tests.harness.nodes import RunningNode
from tests.harness.people import People, Person

AT_ONCE = 32
_WINDOW = {"startTime": "00:00", "endTime": "24:00", "isAvailable": True}
WEEK = {
    "timeZone": "UTC",
    "sessionDurationInMins": 60,
    "breakBetweenSessionMins": 0,
    "days": [
        {"day": day, **_WINDOW}
        for day in ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
    ],
}


async def call(
    http: aiohttp.ClientSession, running: RunningNode, who: Person, method: str, path: str, body: Any, key: str = ""
) -> tuple[int, str]:
    headers = {"Authorization": f"Bearer {who.token}", **({"Idempotency-Key": key} if key else {})}
    async with http.request(method, f"{running.url}/v1{path}", json=body, headers=headers) as answer:
        return answer.status, await answer.text()


async def test_others_book_beside_a_trainer_who_changes_everything_all_the_time(
    running: RunningNode, people: People
) -> None:
    greedy, trainer = await people.make("trainer"), await people.make("trainer")
    user = await running.node.store.users.by_id(trainer.id)
    assert user is not None
    clients = [await people.make("client") for _ in range(3)]
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).replace(hour=9, minute=0, second=0, microsecond=0)
    pricing = {"freeTrial": True, "weeklyTrialLimit": 100}

    async def change(http: aiohttp.ClientSession, number: int) -> int:
        changes: list[tuple[str, str, Any]] = [
            ("PATCH", "/me/profile", {"city": f"City {number}"}),
            ("PUT", "/me/pricing", {"freeTrial": True, "weeklyTrialLimit": number % 9 + 1}),
            ("PUT", "/me/availability", {**WEEK, "breakBetweenSessionMins": number % 9 * 5}),
        ]
        return (await call(http, running, greedy, *changes[number % 3]))[0]

    async with aiohttp.ClientSession() as http:
        assert (await call(http, running, trainer, "PUT", "/me/availability", WEEK))[0] == 200
        assert (await call(http, running, trainer, "PUT", "/me/pricing", pricing))[0] == 200
        async with flood(change, AT_ONCE, answered=8) as made:
            for hour, client in enumerate(clients):
                starts_at = (tomorrow + timedelta(hours=hour)).isoformat().replace("+00:00", "Z")
                wanted = {"trainerId": user.profile_id, "startsAt": starts_at, "payWith": "trial"}
                status, said = await timed(call(http, running, client, "POST", "/bookings", wanted, f"k{hour}"))
                assert status == 201, said
    # The greedy one is served as well, or told that it is too much.
    assert made.answers[200] > 0
    assert set(made.answers) <= {200, 503, 429}
