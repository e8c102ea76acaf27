"""Each kind of revocation cuts the sockets concerned on every node, and no others, with Redis or without."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from domain.events import BOOKINGS, CONVERSATIONS, PRESENCE
from tests.harness.crowd import all_gone, crowd
from tests.harness.people import Person
from tests.together.revocation_stage import DEAD_REDIS, PASSWORD, WITHIN_SECONDS, Data, Fleet, fleet

SECRET = "another horse battery"


@pytest.fixture(params=["redis", "no redis"])
async def together(
    request: pytest.FixtureRequest, database_url: str, redis_url: str, tmp_path: Path
) -> AsyncIterator[Fleet]:
    async with fleet(database_url, redis_url if request.param == "redis" else DEAD_REDIS, tmp_path) as made:
        yield made


def session_of(tokens: Data) -> str:
    return str(tokens["refreshToken"]).partition(".")[0]


async def logout(together: Fleet, person: Person, tokens: Data) -> None:
    assert (await together.post(0, "/auth/logout", token=tokens["accessToken"])).status == 204


async def end_session(together: Fleet, person: Person, tokens: Data) -> None:
    path = f"/auth/sessions/{session_of(tokens)}"
    assert (await together.call("DELETE", 0, path, token=person.token)).status == 204


async def reuse(together: Fleet, person: Person, tokens: Data) -> None:
    first = {"refreshToken": tokens["refreshToken"]}
    second = {"refreshToken": (await together.post(0, "/auth/refresh", first)).body["refreshToken"]}
    assert (await together.post(0, "/auth/refresh", second)).status == 200
    assert (await together.post(0, "/auth/refresh", first)).code == "unauthenticated"


async def logout_all(together: Fleet, person: Person, tokens: Data) -> None:
    assert (await together.post(0, "/auth/logout-all", token=person.token)).status == 204


async def change_password(together: Fleet, person: Person, tokens: Data) -> None:
    body = {"currentPassword": PASSWORD, "newPassword": SECRET}
    answer = await together.post(0, "/auth/change-password", body, tokens["accessToken"])
    assert answer.status == 200
    async with crowd(together.nodes[1].url, [answer.body["accessToken"]]) as (new,):
        # As long as the poll needs to come round with the same row.
        assert await new.is_usable()


async def block(together: Fleet, person: Person, tokens: Data) -> None:
    admin = await together.people.make("admin")
    answer = await together.post(0, f"/admin/users/{person.id}/block", {"reason": "spam"}, admin.token)
    assert answer.status == 204


async def erase(together: Fleet, person: Person, tokens: Data) -> None:
    assert (await together.post(0, "/me/erase", {"password": PASSWORD}, tokens["accessToken"])).status == 204


Act = Callable[[Fleet, Person, Data], Awaitable[None]]
ONE: list[tuple[Act, str]] = [(logout, "logout"), (end_session, "session_ended"), (reuse, "token_reuse")]
ALL: list[tuple[Act, str]] = [
    (logout_all, "logout_all"),
    (change_password, "password_changed"),
    (block, "blocked"),
    (erase, "erased"),
]


@pytest.mark.parametrize(("act", "reason"), ONE)
async def test_one_session_ends_on_every_node(together: Fleet, act: Act, reason: str) -> None:
    here, there = (running.url for running in together.nodes)
    person, other = await together.person(), await together.person()
    tokens = await together.login(person)
    kept = [person.token, other.token]
    async with (
        crowd(here, [tokens["accessToken"]], CONVERSATIONS, PRESENCE, BOOKINGS) as cut_here,
        crowd(there, [tokens["accessToken"]] * 2, CONVERSATIONS, BOOKINGS) as cut_there,
        crowd(here, kept) as kept_here,
        crowd(there, kept) as kept_there,
    ):
        await act(together, person, tokens)
        await all_gone([*cut_here, *cut_there], WITHIN_SECONDS)
        assert cut_here[0].told("session:revoked") == [{"reason": reason}] * 3
        assert [light.told("session:revoked") for light in cut_there] == [[{"reason": reason}] * 2] * 2
        for light in (*kept_here, *kept_there):
            assert await light.is_usable()
            assert light.told("session:revoked") == []


@pytest.mark.parametrize(("act", "reason"), ALL)
async def test_all_sessions_of_a_user_end_on_every_node(together: Fleet, act: Act, reason: str) -> None:
    here, there = (running.url for running in together.nodes)
    person, other = await together.person(), await together.person()
    tokens = await together.login(person)
    ended = [tokens["accessToken"], person.token]
    async with (
        crowd(here, ended) as cut_here,
        crowd(there, ended) as cut_there,
        crowd(here, [other.token]) as kept_here,
        crowd(there, [other.token]) as kept_there,
    ):
        await act(together, person, tokens)
        await all_gone([*cut_here, *cut_there], WITHIN_SECONDS)
        for light in (*cut_here, *cut_there):
            assert light.told("session:revoked") == [{"reason": reason}]
        for light in (*kept_here, *kept_there):
            assert await light.is_usable()
