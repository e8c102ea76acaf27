"""What ends sessions, one or all of a user's, and the reason that their sockets are told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from tests.harness.light_sockets import open_sockets
from tests.harness.people import Person
from tests.together.revocation_nodes import PASSWORD, Data, Fleet

NEW_PASSWORD = "another horse battery"


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
    body = {"currentPassword": PASSWORD, "newPassword": NEW_PASSWORD}
    answer = await together.post(0, "/auth/change-password", body, tokens["accessToken"])
    assert answer.status == 200
    async with open_sockets(together.nodes[1].url, [answer.body["accessToken"]]) as (new,):
        # As long as the poll needs to come round with the same row.
        assert await new.is_usable()


async def block(together: Fleet, person: Person, tokens: Data) -> None:
    admin = await together.people.make("admin")
    answer = await together.post(0, f"/admin/users/{person.id}/block", {"reason": "spam"}, admin.token)
    assert answer.status == 204


async def erase(together: Fleet, person: Person, tokens: Data) -> None:
    assert (await together.post(0, "/me/erase", {"password": PASSWORD}, tokens["accessToken"])).status == 204


Act = Callable[[Fleet, Person, Data], Awaitable[None]]
ENDS_OF_ONE_SESSION: list[tuple[Act, str]] = [
    (logout, "logout"),
    (end_session, "session_ended"),
    (reuse, "session_ended"),
]
ENDS_OF_ALL_SESSIONS: list[tuple[Act, str]] = [
    (logout_all, "logout_all"),
    (change_password, "password_changed"),
    (block, "blocked"),
    (erase, "erased"),
]
