"""Passwords of one address that are guessed from many networks: slowed, and the owner is not kept out."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from domain import proofs
from domain.sessions import NETWORKS_NOTED
from tests.rest.surface import PASSWORD, Surface

EMAIL, NOBODY = "ann@example.com", "nobody@example.com"
HOME = "192.0.2.1"


@pytest.fixture(autouse=True)
def strangers_have_ten_sign_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proofs, "STRANGERS_SIGN_INS", 10)


async def tried(surface: Surface, address: str, password: str = "not the password", email: str = EMAIL) -> int:
    body = {"email": email, "password": password}
    return (await surface.post("/auth/login", body, address=address)).status


async def guessed(surface: Surface, count: int, email: str = EMAIL) -> list[int]:
    return [await tried(surface, f"198.51.{n}.1", email=email) for n in range(count)]


async def test_strangers_are_slowed_and_the_owner_signs_in(surface: Surface) -> None:
    await surface.sign_up()
    assert await tried(surface, HOME, PASSWORD) == 200
    assert await guessed(surface, 13) == [401] * 10 + [429] * 3
    # Even with the password: whether it was right must not show.
    assert await tried(surface, "203.0.113.5", PASSWORD) == 429
    # At home a mistake is one, and the next try signs in.
    assert [await tried(surface, HOME, word) for word in ("a mistake of mine", PASSWORD)] == [401, 200]
    surface.clock.advance(minutes=61)
    assert await tried(surface, "203.0.113.5", PASSWORD) == 200


async def test_an_address_that_nobody_has_is_answered_alike(surface: Surface) -> None:
    await surface.sign_up()
    assert await guessed(surface, 12) == await guessed(surface, 12, NOBODY)


async def test_a_reset_code_opens_a_new_network(surface: Surface) -> None:
    await surface.sign_up()
    await guessed(surface, 12)
    assert await tried(surface, "203.0.113.5", PASSWORD) == 429
    await surface.post("/auth/forgot-password", {"email": EMAIL}, address="203.0.113.5")
    body = {"email": EMAIL, "code": surface.mail.code(EMAIL)}
    assert (await surface.post("/auth/verify-reset-code", body, address="203.0.113.5")).status == 200
    assert await tried(surface, "203.0.113.5", PASSWORD) == 200


async def test_what_is_kept_is_bounded_and_goes(surface: Surface) -> None:
    token = (await surface.sign_up())["accessToken"]
    for n in range(25):
        assert await tried(surface, f"203.0.{n}.5", PASSWORD) == 200
    await guessed(surface, 15)
    (kept,) = [one async for one in surface.database.collection("signInTries").find({})]
    assert (len(kept["known"]), len(kept["tries"])) == (proofs.KNOWN_NETWORKS, 10)
    assert EMAIL not in str(kept) and "203.0." not in str(kept)
    assert (await surface.post("/me/erase", {"password": PASSWORD}, token=token)).status == 204
    assert await surface.database.collection("signInTries").count_documents({}) == 0


async def test_a_refresh_shows_where_the_owner_is(surface: Surface) -> None:
    """Who never types a password again is at home where the phone is."""
    tokens = await surface.sign_up()
    phone = "203.0.113.5"
    assert (await refreshed(surface, tokens, phone))["accessToken"]
    surface.clock.advance(days=80)
    await guessed(surface, 12)
    assert await tried(surface, "192.0.2.77", PASSWORD) == 429
    assert await tried(surface, phone, PASSWORD) == 200


async def test_a_refresh_notes_a_network_once_a_day(surface: Surface, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = await surface.sign_up()
    noted: list[str] = []
    tries = surface.context.store.sign_in_tries
    succeed = tries.succeed

    async def counted(key: str, network: str, now: datetime) -> None:
        noted.append(network)
        await succeed(key, network, now)

    monkeypatch.setattr(tries, "succeed", counted)
    for _ in range(3):
        for address in ("203.0.113.5", "203.0.114.5"):
            tokens = await refreshed(surface, tokens, address)
            surface.clock.advance(minutes=15)
    assert len(noted) == len(set(noted)) == 2
    surface.clock.advance(hours=24)
    tokens = await refreshed(surface, tokens, "203.0.113.5")
    assert noted[2:] == noted[:1]
    # However much a phone travels, its session stays small; and it does not say where it was.
    for n in range(12):
        tokens = await refreshed(surface, tokens, f"198.51.{n}.7")
    (kept,) = [one async for one in surface.database.collection("sessions").find({})]
    assert len(kept["networks"]) == NETWORKS_NOTED and "198.51." not in str(kept)


async def test_a_token_that_is_worth_nothing_shows_nothing(surface: Surface) -> None:
    tokens = await surface.sign_up()
    later = await refreshed(surface, tokens, HOME)
    await refreshed(surface, later, HOME)
    # Stolen, or invented.
    stranger = "198.51.100.9"
    for token in (tokens["refreshToken"], later["refreshToken"][:-4] + "0000"):
        assert (await surface.post("/auth/refresh", {"refreshToken": token}, address=stranger)).status == 401
    await guessed(surface, 12)
    assert await tried(surface, stranger, PASSWORD) == 429
    assert await tried(surface, HOME, PASSWORD) == 200


async def refreshed(surface: Surface, tokens: dict[str, Any], address: str) -> dict[str, Any]:
    answer = await surface.post("/auth/refresh", {"refreshToken": tokens["refreshToken"]}, address=address)
    assert answer.status == 200, answer
    return dict(answer.body)
