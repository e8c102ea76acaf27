"""Whoever owns an account is told of a new sign-in, by whichever node gets to it, once."""

from __future__ import annotations

from handlers.accounts.sessions import sign_in_notices_job
from handlers.mail_rendering import Mail
from tests.harness.work import work_off
from tests.rest.surface import PASSWORD, Surface

EMAIL = "ann@example.com"


async def told(surface: Surface) -> list[Mail]:
    """What was mailed of sign-ins, once all that is due is done."""
    await work_off(sign_in_notices_job(surface.context), surface.clock)
    return [mail for mail in surface.mail.to(EMAIL) if mail.subject == "New sign-in to Spotter"]


async def test_a_new_sign_in_is_told_with_a_way_to_end_it(surface: Surface) -> None:
    tokens = await surface.sign_up()
    assert await told(surface) == []
    body = {"email": EMAIL, "password": PASSWORD, "device": "https://evil.example Phone"}
    agent = {"User-Agent": "Mozilla/5.0 (iPhone; CPU iPhone OS 20_0 like Mac OS X)"}
    theirs = (await surface.post("/auth/login", body, headers=agent)).body
    (mail,) = await told(surface)
    session = theirs["refreshToken"].partition(".")[0]
    assert "an iPhone" in mail.text and f"spotter://sessions/{session}" in mail.text
    # Whoever signs in decides what the device is called; no secret of the session leaves.
    assert "evil" not in mail.text and theirs["refreshToken"] not in mail.text
    ended = await surface.call("DELETE", f"/v1/auth/sessions/{session}", token=tokens["accessToken"])
    assert ended.status == 204
    assert (await surface.get("/me", token=theirs["accessToken"])).code == "unauthenticated"
    assert await told(surface) == [mail]


async def test_the_devices_own_refresh_is_no_sign_in(surface: Surface) -> None:
    await surface.sign_up()
    tokens = (await surface.login(EMAIL)).body
    first = await told(surface)
    for _ in range(3):
        tokens = (await surface.post("/auth/refresh", {"refreshToken": tokens["refreshToken"]})).body
    assert await told(surface) == first and len(first) == 1


async def test_what_failed_is_told_to_nobody(surface: Surface) -> None:
    await surface.sign_up()
    assert (await surface.login(EMAIL, "not the password")).code == "invalid_credentials"
    await surface.set_user(EMAIL, isBlocked=True)
    assert (await surface.login(EMAIL)).code == "account_blocked"
    assert await told(surface) == []


async def test_a_mail_server_that_is_away_is_tried_again_with_the_same_mail(surface: Surface) -> None:
    await surface.sign_up()
    await surface.login(EMAIL)
    tried: list[Mail] = []

    async def away(mail: Mail) -> bool:
        tried.append(mail)
        return False

    deliver = surface.mail.deliver
    surface.mail.deliver = away  # type: ignore[method-assign]
    await told(surface)
    surface.mail.deliver = deliver  # type: ignore[method-assign]
    surface.clock.advance(minutes=1)
    assert await told(surface) == tried[:1] and tried[0].key is not None


async def test_the_erased_are_told_nothing(surface: Surface) -> None:
    await surface.sign_up()
    token = (await surface.login(EMAIL)).body["accessToken"]
    assert (await surface.post("/me/erase", {"password": PASSWORD}, token=token)).status == 204
    assert await told(surface) == []
