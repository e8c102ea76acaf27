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


def wrong(code: str, count: int) -> list[str]:
    """So many codes that it is not."""
    return [f"{(int(code) + n) % 1_000_000:06d}" for n in range(1, count + 1)]


async def test_of_twenty_guessed_reset_codes_five_count(surface: Surface) -> None:
    await surface.sign_up()
    code = await forgot(surface)
    guesses = wrong(code, 20)
    answers = await asyncio.gather(
        *(surface.post("/auth/verify-reset-code", {"email": EMAIL, "code": guess}) for guess in guesses)
    )
    assert {answer.code for answer in answers} == {"invalid_code"}
    body = {"email": EMAIL, "code": code}
    assert (await surface.post("/auth/verify-reset-code", body)).code == "invalid_code"
    # These were a stranger's: elsewhere the code is still good, and the link of the mail everywhere.
    assert (await surface.post("/auth/verify-reset-code", body, address="192.0.2.9")).status == 200


async def test_the_link_of_the_mail_counts_no_tries(surface: Surface) -> None:
    await surface.sign_up()
    code = await forgot(surface)
    link = surface.mail.link(EMAIL)
    for guess in wrong(code, 6):
        body = {"email": EMAIL, "code": guess}
        assert (await surface.post("/auth/verify-reset-code", body)).code == "invalid_code"
    for other in ("f" * 48, link[::-1]):
        answer = await surface.post("/auth/verify-reset-code", {"email": EMAIL, "code": other})
        assert answer.code == "invalid_code"
    body = {"email": EMAIL, "code": link}
    token = (await surface.post("/auth/verify-reset-code", body)).body["resetToken"]
    assert (await surface.post("/auth/verify-reset-code", body)).code == "invalid_code"
    assert (await reset(surface, token)).status == 204


async def test_strangers_of_many_networks_use_up_the_digits_and_not_the_link(surface: Surface) -> None:
    """Ten thousand guesses must never pass: past a hundred a day the digits are no longer taken from anybody."""
    await surface.sign_up()
    code = await forgot(surface)
    link = surface.mail.link(EMAIL)
    for n, guess in enumerate(wrong(code, 100)):
        body = {"email": EMAIL, "code": guess}
        answer = await surface.post("/auth/verify-reset-code", body, address=f"198.51.{n % 25}.1")
        assert answer.code == "invalid_code"
    (kept,) = [one async for one in surface.database.collection("passwordResets").find({})]
    assert len(kept["guesses"]) == 100
    for address in ("198.51.1.1", "192.0.2.9"):
        body = {"email": EMAIL, "code": code}
        assert (await surface.post("/auth/verify-reset-code", body, address=address)).code == "invalid_code"
    (kept,) = [one async for one in surface.database.collection("passwordResets").find({})]
    assert len(kept["guesses"]) == 100
    assert (await surface.post("/auth/verify-reset-code", {"email": EMAIL, "code": link})).status == 200


async def test_one_network_uses_up_ten_guesses_a_day(surface: Surface) -> None:
    await surface.sign_up()
    for _ in range(4):
        code = await forgot(surface)
        for guess in wrong(code, 7):
            body = {"email": EMAIL, "code": guess}
            await surface.post("/auth/verify-reset-code", body, address="198.51.100.7")
        surface.clock.advance(minutes=11)
    (kept,) = [one async for one in surface.database.collection("passwordResets").find({})]
    assert len(kept["guesses"]) == 10
    body = {"email": EMAIL, "code": await forgot(surface)}
    assert (await surface.post("/auth/verify-reset-code", body)).status == 200


async def test_a_site_guesses_as_one_network(surface: Surface) -> None:
    """The networks of one /48 would use up what everybody together may guess in a day."""
    await surface.sign_up()
    code = await forgot(surface)
    for n, guess in enumerate(wrong(code, 100)):
        body = {"email": EMAIL, "code": guess}
        await surface.post("/auth/verify-reset-code", body, address=f"2001:db8:1:{n:x}::1")
    assert (await surface.post("/auth/verify-reset-code", {"email": EMAIL, "code": code})).status == 200


async def test_asking_again_invalidates_nothing(surface: Surface) -> None:
    """Within five minutes the same code is mailed, after them another one beside it."""
    await surface.sign_up()
    first = await forgot(surface)
    surface.clock.advance(minutes=4)
    assert await forgot(surface) == first
    surface.clock.advance(minutes=2)
    await forgot(surface)
    assert (await surface.post("/auth/verify-reset-code", {"email": EMAIL, "code": first})).status == 200


async def test_a_changed_password_voids_the_codes_asked_for_before(surface: Surface) -> None:
    token = (await surface.sign_up())["accessToken"]
    code = await forgot(surface)
    link = surface.mail.link(EMAIL)
    assert (await change(surface, token)).status == 200
    for proof in (code, link):
        body = {"email": EMAIL, "code": proof}
        assert (await surface.post("/auth/verify-reset-code", body)).code == "invalid_code"


async def test_strangers_asking_deny_nobody_a_reset(limited: Surface) -> None:
    """With production's limits."""
    await limited.sign_up()
    asked = [
        (await limited.post("/auth/forgot-password", {"email": EMAIL}, address=f"198.51.100.{n % 3}")).status
        for n in range(18)
    ]
    assert asked == [202] * 15 + [429] * 3
    body = {"email": EMAIL, "code": await forgot(limited)}
    assert (await limited.post("/auth/verify-reset-code", body)).status == 200


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


async def test_forgetting_activates_nothing_that_was_never_verified(surface: Surface) -> None:
    pending = await surface.register(EMAIL, "somebody else's password", role="trainer", name="Mallory")
    sent = len(surface.mail.mails)
    answer = await surface.post("/auth/forgot-password", {"email": EMAIL})
    assert (answer.status, answer.body) == (202, {"status": "reset_sent"})
    assert len(surface.mail.mails) == sent
    assert await surface.database.collection("users").count_documents({}) == 0
    ann = await surface.register(EMAIL, PASSWORD, name="Ann")
    assert (await surface.verify(EMAIL, ann)).body["user"]["role"] == "client"
    assert (await surface.verify(EMAIL, pending)).code == "invalid_code"
    assert (await surface.login(EMAIL)).status == 200


async def test_a_reset_activates_no_pending_registration(surface: Surface) -> None:
    await surface.sign_up()
    body = {"email": EMAIL, "password": "somebody else's password", "role": "trainer", "name": "Mallory"}
    assert (await surface.post("/auth/register", body)).status == 202
    assert (await reset(surface, await reset_token(surface))).status == 204
    signed_in = await surface.login(EMAIL, NEW)
    assert signed_in.body["user"]["role"] == "client"
    assert (await surface.login(EMAIL, "somebody else's password")).status != 200


WEAK = ("1234567890", " " * 10, EMAIL, "Annabel Leesmith")


@pytest.mark.parametrize("password", WEAK)
async def test_no_address_gets_a_password_that_is_guessed_first(surface: Surface, password: str) -> None:
    """Nor is any address told apart by it."""
    body = {"email": EMAIL, "password": password, "role": "client", "name": "Annabel Leesmith"}
    unknown = await surface.post("/auth/register", body)
    assert (unknown.status, unknown.body["errors"][0]["field"]) == (422, "password")
    assert "guessed first" in unknown.body["errors"][0]["message"]
    await surface.sign_up()
    known = await surface.post("/auth/register", body)
    told = [{**answer.body, "requestId": None} for answer in (known, unknown)]
    assert (known.status, told[0]) == (unknown.status, told[1])
    assert len(surface.mail.to(EMAIL)) == 1


@pytest.mark.parametrize("password", WEAK)
async def test_no_change_or_reset_takes_one_either(surface: Surface, password: str) -> None:
    token = (await surface.sign_up(name="Annabel Leesmith"))["accessToken"]
    refused = await change(surface, token, new=password)
    assert (refused.code, refused.body["errors"][0]["field"]) == ("validation_failed", "newPassword")
    # Whoever does not know the password is told no more than that.
    assert (await change(surface, token, "not the password", password)).code == "invalid_credentials"
    assert (await reset(surface, f"{'0' * 24}.x", password)).code == "invalid_code"
    code = await reset_token(surface)
    assert (await reset(surface, code, password)).body["errors"][0]["field"] == "password"
    assert (await surface.get("/me", token=token)).status == 200
    assert (await reset(surface, code)).status == 204
