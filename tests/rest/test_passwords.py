"""Changing a password, and resetting a forgotten one."""

from __future__ import annotations

import asyncio

import pytest

from tests.rest.surface import PASSWORD, Answer, Surface

EMAIL = "ann@example.com"
NEW = "a completely new one"


async def change(surface: Surface, token: str, current: str = PASSWORD, new: str = NEW) -> Answer:
    return await surface.post("/auth/change-password", {"currentPassword": current, "newPassword": new}, token=token)


async def forgot(surface: Surface, email: str = EMAIL) -> str:
    answer = await surface.post("/auth/forgot-password", {"email": email})
    assert answer.status == 202
    return surface.mail.code(email)


async def reset_token(surface: Surface, email: str = EMAIL) -> str:
    answer = await surface.post("/auth/verify-reset-code", {"email": email, "code": await forgot(surface, email)})
    assert answer.status == 200, answer.text
    return str(answer.body["resetToken"])


async def reset(surface: Surface, token: str, password: str = NEW) -> Answer:
    return await surface.post("/auth/reset-password", {"resetToken": token, "password": password})


async def test_a_change_ends_every_earlier_session_and_answers_a_new_one(surface: Surface) -> None:
    here = await surface.sign_up()
    there = (await surface.login(EMAIL)).body
    changed = await change(surface, here["accessToken"])
    assert changed.status == 200
    assert (await surface.get("/me", token=changed.body["accessToken"])).status == 200
    assert (await surface.post("/auth/refresh", {"refreshToken": changed.body["refreshToken"]})).status == 200
    for old in (here, there):
        assert (await surface.get("/me", token=old["accessToken"])).code == "unauthenticated"
        assert (await surface.post("/auth/refresh", {"refreshToken": old["refreshToken"]})).status == 401
    sessions = {one["refreshToken"].partition(".")[0] for one in (here, there)}
    assert {cut[2] for cut in surface.cuts.made} == sessions
    assert {cut[1] for cut in surface.cuts.made} == {"password_changed"}
    assert (await surface.login(EMAIL, PASSWORD)).code == "invalid_credentials"
    assert (await surface.login(EMAIL, NEW)).status == 200


async def test_a_change_needs_the_current_password(surface: Surface) -> None:
    token = (await surface.sign_up())["accessToken"]
    assert (await change(surface, token, "not the password")).code == "invalid_credentials"
    assert (await surface.get("/me", token=token)).status == 200


async def test_of_two_changes_at_once_one_wins(surface: Surface) -> None:
    token = (await surface.sign_up())["accessToken"]
    answers = await asyncio.gather(*(change(surface, token, new=f"{NEW} {n}") for n in range(4)))
    won = [n for n, answer in enumerate(answers) if answer.status == 200]
    assert len(won) == 1
    assert {answer.code for n, answer in enumerate(answers) if n not in won} <= {
        "invalid_credentials",
        "unauthenticated",
    }
    assert (await surface.login(EMAIL, f"{NEW} {won[0]}")).status == 200


async def test_a_login_under_way_does_not_survive_a_change(surface: Surface) -> None:
    """Its password was checked before the change, its session is written after it."""
    token = (await surface.sign_up())["accessToken"]
    sessions = surface.context.store.sessions
    insert, held = sessions.insert, asyncio.Event()
    arrived = asyncio.Event()

    async def late(new: object, **how: object) -> None:
        arrived.set()
        await held.wait()
        await insert(new, **how)  # type: ignore[arg-type]

    sessions.insert = late  # type: ignore[method-assign]
    login = asyncio.create_task(surface.login(EMAIL))
    await arrived.wait()
    sessions.insert = insert  # type: ignore[method-assign]
    assert (await change(surface, token)).status == 200
    held.set()
    stale = (await login).body
    assert (await surface.get("/me", token=stale["accessToken"])).code == "unauthenticated"
    assert (await surface.post("/auth/refresh", {"refreshToken": stale["refreshToken"]})).status == 401


async def test_a_forgotten_password_is_reset(surface: Surface) -> None:
    old = await surface.sign_up()
    token = await reset_token(surface)
    assert (await surface.user(EMAIL))["isResetVerified"] is True
    answer = await reset(surface, token)
    assert (answer.status, answer.text) == (204, "")
    assert (await surface.user(EMAIL))["isResetVerified"] is False
    assert (await surface.login(EMAIL, NEW)).status == 200
    assert (await surface.login(EMAIL, PASSWORD)).code == "invalid_credentials"
    assert (await surface.get("/me", token=old["accessToken"])).code == "unauthenticated"
    assert [cut[1] for cut in surface.cuts.made] == ["password_changed"]
    assert (await reset(surface, token)).code == "invalid_code"


async def test_forgotten_answers_the_same_for_unknown_addresses(surface: Surface) -> None:
    await surface.sign_up()
    known = await surface.post("/auth/forgot-password", {"email": EMAIL})
    unknown = await surface.post("/auth/forgot-password", {"email": "nobody@example.com"})
    assert (known.status, known.body) == (unknown.status, unknown.body) == (202, {"status": "reset_sent"})
    assert not surface.mail.to("nobody@example.com")
    written = [one["writes"] async for one in surface.database.collection("decoys").find({})]
    assert sum(written) == 1, "an unknown address has to cost a write too"


async def test_of_twenty_guessed_reset_codes_five_count(surface: Surface) -> None:
    await surface.sign_up()
    code = await forgot(surface)
    guesses = [f"{(int(code) + n) % 1_000_000:06d}" for n in range(1, 21)]
    answers = await asyncio.gather(
        *(surface.post("/auth/verify-reset-code", {"email": EMAIL, "code": guess}) for guess in guesses)
    )
    assert {answer.code for answer in answers} == {"invalid_code"}
    assert (await surface.post("/auth/verify-reset-code", {"email": EMAIL, "code": code})).code == "invalid_code"


async def test_reset_codes_are_used_once_and_run_out(surface: Surface) -> None:
    await surface.sign_up()
    code = await forgot(surface)
    body = {"email": EMAIL, "code": code}
    answers = await asyncio.gather(*(surface.post("/auth/verify-reset-code", body) for _ in range(5)))
    assert sorted(answer.status for answer in answers) == [200, 422, 422, 422, 422]
    late = await forgot(surface)
    surface.clock.advance(minutes=10)
    assert (await surface.post("/auth/verify-reset-code", {"email": EMAIL, "code": late})).code == "invalid_code"


async def test_a_reset_token_runs_out(surface: Surface) -> None:
    await surface.sign_up()
    token = await reset_token(surface)
    surface.clock.advance(minutes=10)
    assert (await reset(surface, token)).code == "invalid_code"


@pytest.mark.parametrize("token", ["x", "0" * 24, f"{'0' * 24}.x", "../..", '{"$ne":null}.x'])
async def test_invented_reset_tokens_are_refused(surface: Surface, token: str) -> None:
    assert (await reset(surface, token)).code == "invalid_code"


async def test_a_reset_verifies_the_mailbox_and_drops_what_was_pending(surface: Surface) -> None:
    pending = await surface.register(EMAIL, "somebody else's password")
    assert (await reset(surface, await reset_token(surface))).status == 204
    assert (await surface.login(EMAIL, NEW)).status == 200
    assert (await surface.verify(EMAIL, pending)).code == "invalid_code"
    assert (await surface.login(EMAIL, "somebody else's password")).code == "invalid_credentials"
