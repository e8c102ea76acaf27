"""Refresh tokens rotate, forgive a lost answer, and tell a stolen one."""

from __future__ import annotations

import asyncio

import pytest

from tests.rest.surface import Answer, Surface

EMAIL = "ann@example.com"


async def refresh(surface: Surface, token: str) -> Answer:
    return await surface.post("/auth/refresh", {"refreshToken": token})


async def successor(surface: Surface, token: str) -> str:
    answer = await refresh(surface, token)
    assert answer.status == 200, answer.text
    return str(answer.body["refreshToken"])


async def test_a_refresh_token_rotates(surface: Surface) -> None:
    tokens = await surface.sign_up()
    answer = await refresh(surface, tokens["refreshToken"])
    assert answer.body["refreshToken"] != tokens["refreshToken"]
    assert answer.body["user"] == tokens["user"]
    assert (await surface.get("/me", token=answer.body["accessToken"])).status == 200


async def ended(surface: Surface, *refresh_tokens: str) -> bool:
    return all([(await refresh(surface, one)).code == "unauthenticated" for one in refresh_tokens])


async def test_a_lost_answer_is_given_again_for_a_day(surface: Surface) -> None:
    """The phone was without a network for hours; it never received the successor."""
    tokens = await surface.sign_up()
    first = tokens["refreshToken"]
    second = await successor(surface, first)
    for hours in (1, 11, 11.9):
        surface.clock.advance(hours=hours)
        assert await successor(surface, first) == second
    assert await successor(surface, second) != second


async def test_after_a_day_it_ends_the_family(surface: Surface) -> None:
    tokens = await surface.sign_up()
    first = tokens["refreshToken"]
    second = await successor(surface, first)
    surface.clock.advance(hours=24, seconds=1)
    assert await ended(surface, first, second)
    session_id = first.partition(".")[0]
    assert surface.cuts.made == [(tokens["user"]["id"], "token_reuse", session_id)]


async def test_once_the_successors_access_token_was_used_an_old_one_ends_the_family(surface: Surface) -> None:
    first = (await surface.sign_up())["refreshToken"]
    lost = (await refresh(surface, first)).body
    second = (await refresh(surface, first)).body
    # Which of the answers arrived does not matter.
    assert (await surface.get("/me", token=lost["accessToken"])).status == 200
    assert (await refresh(surface, first)).code == "unauthenticated"
    assert (await surface.get("/me", token=second["accessToken"])).code == "unauthenticated"
    assert await ended(surface, second["refreshToken"])


async def test_the_former_access_token_says_nothing_of_the_successor(surface: Surface) -> None:
    """The phone goes on with what it has until it expires."""
    tokens = await surface.sign_up()
    second = (await refresh(surface, tokens["refreshToken"])).body
    assert (await surface.get("/me", token=second["accessToken"])).status == 200
    third = await successor(surface, second["refreshToken"])
    for token in (tokens["accessToken"], second["accessToken"]):
        assert (await surface.get("/me", token=token)).status == 200
    assert await successor(surface, second["refreshToken"]) == third


async def test_once_the_successor_was_used_an_old_one_ends_the_family(surface: Surface) -> None:
    first = (await surface.sign_up())["refreshToken"]
    second = await successor(surface, first)
    third = await successor(surface, second)
    assert (await refresh(surface, first)).status == 401
    assert (await refresh(surface, third)).status == 401


async def test_another_device_outlives_a_stolen_family(surface: Surface) -> None:
    first = (await surface.sign_up())["refreshToken"]
    other = (await surface.login(EMAIL)).body["refreshToken"]
    await successor(surface, await successor(surface, first))
    assert (await refresh(surface, first)).status == 401
    assert (await refresh(surface, other)).status == 200


async def test_ten_refreshes_at_once_get_one_successor(surface: Surface) -> None:
    first = (await surface.sign_up())["refreshToken"]
    answers = await asyncio.gather(*(refresh(surface, first) for _ in range(10)))
    assert {answer.status for answer in answers} == {200}
    assert len({answer.body["refreshToken"] for answer in answers}) == 1
    assert (await refresh(surface, answers[0].body["refreshToken"])).status == 200


async def test_thirty_days_without_use_end_it_and_use_prolongs_it(surface: Surface) -> None:
    token = (await surface.sign_up())["refreshToken"]
    for _ in range(3):
        surface.clock.advance(days=29)
        token = await successor(surface, token)
    surface.clock.advance(days=30)
    assert (await refresh(surface, token)).code == "unauthenticated"


async def test_forged_tokens_are_refused_and_harm_nobody(surface: Surface) -> None:
    token = (await surface.sign_up())["refreshToken"]
    session, generation, proof = token.split(".")
    forged = [
        f"{session}.{generation}.{'0' * 64}",
        f"{session}.7.{proof}",
        f"{'0' * 24}.0.{proof}",
        f"{session}.٠.{proof}",
        f"{session}.-1.{proof}",
        "x",
        "..",
        f"{session}.{'9' * 4000}.{proof}",
    ]
    for one in forged:
        answer = await refresh(surface, one)
        assert (answer.status, answer.code) in {(401, "unauthenticated"), (422, "validation_failed")}, one
    assert (await refresh(surface, token)).status == 200


@pytest.mark.parametrize(("field", "code"), [("isBlocked", "account_blocked"), ("isDeleted", "unauthenticated")])
async def test_blocked_and_erased_users_get_no_tokens(surface: Surface, field: str, code: str) -> None:
    token = (await surface.sign_up())["refreshToken"]
    await surface.set_user(EMAIL, **{field: True})
    assert (await refresh(surface, token)).code == code
