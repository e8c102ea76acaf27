"""Rate limits as a caller meets them."""

from __future__ import annotations

from handlers.access import Visitor
from rest.adapter import owner_of
from store.database import Database
from tests.harness.databases import profiled
from tests.rest.surface import PASSWORD, Surface, serve

EMAIL = "ann@example.com"
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


async def test_logins_from_one_address_for_one_account_are_limited(limited: Surface) -> None:
    answers = [await limited.login(EMAIL, "not the password") for _ in range(11)]
    assert [answer.status for answer in answers] == [401] * 10 + [429]
    refused = answers[-1]
    assert refused.code == "rate_limited"
    assert 0 < refused.body["retryAfterMs"] <= 60_000
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert int(refused.headers["Retry-After"]) * 1000 >= refused.body["retryAfterMs"]
    assert (await limited.login("bob@example.com", "not the password")).status == 401
    body = {"email": EMAIL, "password": "not the password"}
    assert (await limited.post("/auth/login", body, address="198.51.100.7")).status == 401


async def test_another_spelling_of_the_address_is_the_same_account(limited: Surface) -> None:
    answers = [await limited.login(email, "not the password") for email in [EMAIL, "ANN@example.com"] * 6]
    assert [answer.status for answer in answers].count(429) == 2


async def test_a_refused_login_costs_no_argon2(limited: Surface) -> None:
    for _ in range(12):
        await limited.login(EMAIL, "not the password")
    assert limited.passwords.uses == 10


async def test_registrations_are_limited_by_network_with_and_without_the_email(limited: Surface) -> None:
    async def register(email: str, address: str) -> int:
        body = {"email": email, "password": PASSWORD, "role": "client", "name": "X"}
        return (await limited.post("/auth/register", body, address=address)).status

    assert [await register(EMAIL, "198.51.100.7") for _ in range(6)] == [202] * 5 + [429]
    assert await register(EMAIL, "203.0.113.9") == 202, "a stranger's use denies the owner nothing"
    assert [await register(f"{n}@example.com", "192.0.2.1") for n in range(11)] == [202] * 10 + [429]


async def test_guesses_of_a_code_are_limited_by_network_and_email(limited: Surface) -> None:
    body = {"email": EMAIL, "code": "123456"}
    for path, said in (("/auth/verify", {**body, "registrationToken": "x"}), ("/auth/verify-reset-code", body)):
        statuses = [(await limited.post(path, said, address="198.51.100.7")).status for _ in range(21)]
        assert statuses == [422] * 20 + [429]
        assert (await limited.post(path, said, address="203.0.113.9")).status == 422


async def test_a_scale_multiplies_the_limits(surface: Surface) -> None:
    statuses = {(await surface.login(EMAIL, "not the password")).status for _ in range(15)}
    assert statuses == {401}


async def test_an_ipv6_network_is_one_caller(limited: Surface) -> None:
    async def login(address: str) -> int:
        body = {"email": EMAIL, "password": "not the password"}
        return (await limited.post("/auth/login", body, address=address)).status

    assert [await login(f"2001:db8:1:1::{n}") for n in range(1, 12)] == [401] * 10 + [429]
    assert await login("2001:db8:1:2::1") == 401


async def test_guesses_at_a_calendar_feed_are_limited(database: Database) -> None:
    async with serve(database, rate_limit_scale=0.025) as surface:
        paths = [f"/calendar/{n:040}.ics" for n in range(4)]
        assert [(await surface.get(path)).code for path in paths] == ["not_found"] * 3 + ["rate_limited"]
        assert (await surface.get(paths[0], address="198.51.100.7")).code == "not_found"


async def test_tokens_of_an_ended_session_are_limited_before_anything_is_read(limited: Surface) -> None:
    ended = (await limited.sign_up())["accessToken"]
    good = (await limited.login(EMAIL)).body["accessToken"]
    assert (await limited.post("/auth/logout", token=ended)).status == 204
    statuses = [(await limited.get("/me", token=ended)).status for _ in range(61)]
    assert statuses == [401] * 60 + [429]
    # The session is refused wherever it comes from, and no other of its owner's.
    assert (await limited.get("/me", token=ended, address="198.51.100.7")).status == 429
    assert (await limited.get("/me", token=good)).status == 200


async def test_a_flood_of_bad_tokens_is_limited_and_keeps_no_good_one_of_its_network_out(limited: Surface) -> None:
    good = (await limited.sign_up())["accessToken"]
    bad = good[:-4] + "AAAA"
    async with profiled(limited.database) as reads:
        statuses = [(await limited.get("/me", token=bad)).status for _ in range(601)]
        assert statuses == [401] * 600 + [429]
        assert await reads() == 0
        assert (await limited.get("/me", token=good)).status == 200
        assert await reads() >= 2
    assert (await limited.get("/me", token=bad, address="198.51.100.7")).status == 401


async def test_each_token_has_one_spelling(surface: Surface) -> None:
    tokens = await surface.sign_up()
    access, refresh = tokens["accessToken"], tokens["refreshToken"]
    head, _, signature = access.rpartition(".")
    # The last of 43 characters has two bits that are no part of the signature.
    spare = next(c for c in ALPHABET[ALPHABET.index(signature[-1]) :] if c != signature[-1])
    for other in (access + "=", f"{head}.{signature[:-1]}{spare}", f"{head}.{signature[:9]}!{signature[9:]}"):
        assert (await surface.get("/me", token=other)).status == 401
    session_id, generation, proof = refresh.split(".")
    for other in ("0" + generation, "00" + generation):
        body = {"refreshToken": f"{session_id}.{other}.{proof}"}
        assert (await surface.post("/auth/refresh", body)).status == 401
    assert (await surface.get("/me", token=access)).status == 200
    assert (await surface.post("/auth/refresh", {"refreshToken": refresh})).status == 200


def test_the_reads_of_a_visitor_are_those_of_its_network() -> None:
    owners = [owner_of(Visitor(address)) for address in ("2001:db8:1:1::1", "2001:db8:1:1::2", "2001:db8:1:2::1")]
    assert owners[0] == owners[1] != owners[2]


async def test_what_costs_much_has_a_rate_of_its_own(limited: Surface) -> None:
    """Slots and calendar feeds, which anybody may ask for."""
    slots = f"/trainers/{'0' * 24}/slots?from=2027-01-01&to=2027-01-02"
    for path in (slots, f"/calendar/{'x' * 43}.ics"):
        statuses = [(await limited.get(path)).status for _ in range(121)]
        assert statuses == [404] * 120 + [429], path
    assert (await limited.get(slots, address="198.51.100.7")).status == 404
