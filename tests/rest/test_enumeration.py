"""Nothing that a public command does tells addresses apart: the database is asked the same of every one.

By its commands rather than by the clock; ``python -m bench.enumeration`` measures the clock.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

from tests.harness.databases import ListenedDatabase, named, prepared_database
from tests.rest.surface import PASSWORD, Surface, serve

STATES = ("unknown", "pending", "verified", "blocked", "erased", "paused")


class Commands(CommandListener):
    """Name, collection and how many documents were written, or answered."""

    def __init__(self) -> None:
        self.made: list[tuple[str, str, int]] = []
        self._under_way: dict[int, tuple[str, str]] = {}

    def started(self, event: CommandStartedEvent) -> None:
        self._under_way[event.request_id] = (event.command_name, str(event.command.get(event.command_name)))

    def succeeded(self, event: CommandSucceededEvent) -> None:
        name, collection = self._under_way.pop(event.request_id)
        self.made.append((name, collection, int(event.reply.get("lastErrorObject", event.reply).get("n", 0))))

    def failed(self, event: CommandFailedEvent) -> None:
        self.made.append((*self._under_way.pop(event.request_id), -1))


@pytest.fixture(scope="module")
async def listened(mongo_url: str) -> AsyncIterator[tuple[Surface, Commands]]:
    commands = Commands()
    async with prepared_database(mongo_url) as plain:
        database = ListenedDatabase(named(mongo_url, plain.db.name), commands)
        async with serve(database) as surface:
            yield surface, commands
        database.close()


@pytest.fixture
async def observed(listened: tuple[Surface, Commands]) -> AsyncIterator[tuple[Surface, Commands]]:
    yield listened
    await listened[0].forget()


async def in_state(surface: Surface, state: str, email: str) -> str:
    """A registration token of the address."""
    token = "no token"
    if state not in ("unknown", "pending"):
        signed_in = await surface.sign_up(email)
        if state == "blocked":
            await surface.set_user(email, isBlocked=True)
        elif state == "paused":
            await surface.set_user(email, isActive=False)
        elif state == "erased":
            erased = await surface.post("/me/erase", {"password": PASSWORD}, token=signed_in["accessToken"])
            assert erased.status == 204
    if state != "unknown":
        body = {"email": email, "password": "a stranger's password", "role": "client", "name": "Mallory"}
        token = (await surface.post("/auth/register", body)).body["registrationToken"]
    return token


def body_of(route: str, email: str, token: str) -> dict[str, Any]:
    return {
        "register": {"email": email, "password": PASSWORD, "role": "client", "name": "Ann"},
        "verify": {"email": email, "code": "123456", "registrationToken": token},
        "verify by link": {"email": email, "code": "0" * 48, "registrationToken": token},
        "resend-code": {"email": email, "registrationToken": token},
        "login": {"email": email, "password": "not the password"},
        "login of a stranger": {"email": email, "password": "a stranger's password"},
        "forgot-password": {"email": email},
        "verify-reset-code": {"email": email, "code": "123456"},
        "verify-reset-code by link": {"email": email, "code": "0" * 48},
        "reset-password": {"resetToken": f"{'0' * 24}.x", "password": PASSWORD},
    }[route]


ROUTES = (
    "register", "verify", "verify by link", "resend-code", "login", "login of a stranger", "forgot-password",
    "verify-reset-code", "verify-reset-code by link", "reset-password",
)  # fmt: skip


@pytest.mark.parametrize("holds", [True, False], ids=["with a registration", "without"])
@pytest.mark.parametrize("route", ROUTES)
async def test_every_address_costs_the_same(observed: tuple[Surface, Commands], route: str, holds: bool) -> None:
    """``holds``: whoever asks registered the address before, and has that token."""
    surface, commands = observed
    seen = {}
    for state in STATES:
        email = f"{state}@example.com"
        token = await in_state(surface, state, email)
        if holds:
            said = body_of("register", email, "") | {"password": "a stranger's password"}
            token = (await surface.post("/auth/register", said)).body["registrationToken"]
        elif route == "login of a stranger" and state in ("unknown",):
            continue
        uses = surface.passwords.uses
        commands.made.clear()
        path = f"/auth/{route.partition(' ')[0]}"
        answers = []
        for _ in range(2):
            answer = await surface.post(path, body_of(route, email, token if holds else "no token"))
            answers.append((answer.status, (answer.body or {}).get("code"), sorted(answer.body or {})))
        seen[state] = (answers, list(commands.made), surface.passwords.uses - uses)
    kinds = {str(one) for one in seen.values()}
    assert len(kinds) == 1, seen
    assert seen["pending"][1], "something was counted"
