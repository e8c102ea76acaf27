"""Passwords of one address that are guessed from many networks: slowed, and the owner is not kept out."""

from __future__ import annotations

import pytest

from domain import proofs
from tests.rest.surface import PASSWORD, Surface

EMAIL, NOBODY = "ann@example.com", "nobody@example.com"
HOME = "192.0.2.1"


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
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
