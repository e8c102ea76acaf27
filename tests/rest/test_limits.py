"""Rate limits as a caller meets them."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest

from domain.errors import rate_limited
from handlers.access import Visitor
from rest import limits
from rest.adapter import owner_of
from store.database import Database
from tests.harness.databases import profiled
from tests.rest.surface import ORIGIN, PASSWORD, Surface, serve

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


def registration(email: str, **other: Any) -> dict[str, Any]:
    return {"email": email, "password": PASSWORD, "role": "client", "name": "X", **other}


async def test_registrations_are_limited_by_network_and_email(limited: Surface) -> None:
    async def register(email: str, address: str) -> int:
        return (await limited.post("/auth/register", registration(email), address=address)).status

    assert [await register(EMAIL, "198.51.100.7") for _ in range(6)] == [202] * 5 + [429]
    assert await register(EMAIL, "203.0.113.9") == 202, "a stranger's use denies the owner nothing"


async def test_a_few_hundred_people_register_behind_one_address(database: Database) -> None:
    """A tenth of production's: 30 of the 300 an hour."""
    async with serve(database, rate_limit_scale=0.1) as gym:
        statuses = [
            (await gym.post("/auth/register", registration(f"{n}@example.com"))).status for n in range(31)
        ]
        assert statuses == [202] * 30 + [429]
        elsewhere = await gym.post("/auth/register", registration("a@example.com"), address="192.0.2.1")
        assert elsewhere.status == 202


@pytest.mark.parametrize("rate", [limits.REGISTER, limits.RESEND, limits.FORGOT], ids=lambda rate: rate.name)
def test_every_mailed_thing_has_room_for_a_few_hundred_people(rate: limits.RateClass) -> None:
    assert [limit.amount for limit in rate.limits if limit.by == "address"] == [300]


async def test_failures_that_cost_nothing_are_not_counted(database: Database) -> None:
    async with serve(database, rate_limit_scale=0.01) as narrow:
        wrong: list[Any] = [
            registration("not an address"),
            registration(EMAIL, password="short"),
            registration(EMAIL, timeZone="Mars/Olympus"),
            registration(EMAIL, more=1),
            [],
        ]
        for body in wrong * 2:
            assert (await narrow.post("/auth/register", body)).code == "validation_failed"
        assert (await narrow.call("POST", "/v1/auth/register", data=b"{")).status in (400, 415)
        assert [(await narrow.post("/auth/register", registration(f"{n}@a.example"))).status for n in range(4)] == [
            202, 202, 202, 429,
        ]  # fmt: skip


async def test_what_one_limit_refuses_counts_against_no_other(database: Database) -> None:
    async with serve(database, rate_limit_scale=0.01) as narrow:
        statuses = [(await narrow.post("/auth/register", registration(EMAIL))).status for _ in range(5)]
        assert statuses == [202] + [429] * 4
        assert [(await narrow.post("/auth/register", registration(f"{n}@a.example"))).status for n in range(3)] == [
            202, 202, 429,
        ]  # fmt: skip


async def test_a_flood_of_bodies_that_cost_nothing_ends_all_the_same(database: Database) -> None:
    async with serve(database, rate_limit_scale=0.001) as narrow:
        statuses = [(await narrow.post("/auth/login", {})).status for _ in range(13)]
        assert statuses == [422] * 12 + [429]


async def test_the_wait_is_said_in_words(limited: Surface) -> None:
    for _ in range(5):
        await limited.post("/auth/register", registration(EMAIL))
    refused = await limited.post("/auth/register", registration(EMAIL))
    assert refused.status == 429
    assert refused.body["detail"] == "Too many requests; try again in 60 minutes."
    assert 3590 <= int(refused.headers["Retry-After"]) <= 3600


@pytest.mark.parametrize(
    ("milliseconds", "words"),
    [
        (1, "1 second"),
        (1000, "1 second"),
        (1001, "2 seconds"),
        (89_000, "89 seconds"),
        (90_001, "2 minutes"),
        (121_000, "3 minutes"),
        (5_400_000, "90 minutes"),
        (5_400_001, "2 hours"),
        (86_400_000, "24 hours"),
    ],
)
def test_words_never_say_less_than_it_takes(milliseconds: int, words: str) -> None:
    assert rate_limited("Too many", milliseconds).message == f"Too many; try again in {words}."


POLICY = re.compile(r'"([a-z_]+:[a-z+]+)";q=(\d+);w=(\d+)')
STATE = re.compile(r'"([a-z_]+:[a-z+]+)";r=(\d+);t=(\d+)')


def told(headers: Any) -> dict[str, tuple[int, int, int, int]]:
    """Quota, window, what is left and for how long, by policy."""
    policies, states = headers["RateLimit-Policy"].split(", "), headers["RateLimit"].split(", ")
    found = {}
    for policy, state in zip(policies, states, strict=True):
        one, other = POLICY.fullmatch(policy), STATE.fullmatch(state)
        assert one is not None, policy
        assert other is not None, state
        assert one[1] == other[1]
        found[one[1]] = (int(one[2]), int(one[3]), int(other[2]), int(other[3]))
    return found


async def test_headers_tell_what_is_left(limited: Surface) -> None:
    for left in (9, 8):
        answer = await limited.login(EMAIL, "not the password")
        found = told(answer.headers)
        assert found["login:address"][:3] == (100, 60, 90 + left)
        assert found["login:address+email"][:3] == (10, 60, left)
        assert all(0 < reset <= window for _, window, _, reset in found.values())
    for _ in range(9):
        answer = await limited.login(EMAIL, "not the password")
    assert answer.status == 429
    quota, _, left, reset = told(answer.headers)["login:address+email"]
    assert (quota, left, reset) == (10, 0, int(answer.headers["Retry-After"]))
    assert math.ceil(answer.body["retryAfterMs"] / 1000) == reset


async def test_headers_follow_the_caller_and_the_scale(database: Database) -> None:
    async with serve(database, rate_limit_scale=2) as wide:
        token = (await wide.sign_up())["accessToken"]
        for left in (1199, 1198):
            assert told((await wide.get("/me", token=token)).headers)["general:caller"][:3] == (1200, 60, left)
        # A refused body counts for who is signed in.
        answer = await wide.call("PATCH", "/v1/me", {"isActive": 5}, token=token)
        assert told(answer.headers)["general:caller"][2] == 1197
        assert told((await wide.get("/categories")).headers)["general:caller"][:3] == (1200, 60, 1199)


async def test_a_network_that_is_refused_altogether_is_told_by_which_limit(database: Database) -> None:
    async with serve(database, rate_limit_scale=0.001) as narrow:
        for _ in range(13):
            answer = await narrow.post("/auth/login", {})
        assert told(answer.headers)["visitors:address"][:3] == (12, 60, 0)


async def test_browsers_of_other_origins_may_read_them(limited: Surface) -> None:
    answer = await limited.get("/categories", headers={"Origin": ORIGIN})
    exposed = answer.headers["Access-Control-Expose-Headers"].split(", ")
    assert {"RateLimit", "RateLimit-Policy", "Retry-After"} <= set(exposed)


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
    async with profiled(limited.database, good) as reads:
        statuses = [(await limited.get("/me", token=bad)).status for _ in range(601)]
        assert statuses == [401] * 600 + [429]
        assert await reads() == []
        assert (await limited.get("/me", token=good)).status == 200
        assert len(await reads()) >= 2
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


def of_site(number: int) -> str:
    """An address of one /48, each in a network of its own."""
    return f"2001:db8:1:{number:x}::1"


async def test_one_site_asks_for_an_address_of_mail_as_eight_networks(limited: Surface) -> None:
    """Whoever has a /48 has 65,536 networks: each of them could have had a mailbox sent five mails an hour."""
    statuses = [
        (await limited.post("/auth/register", registration(EMAIL), address=of_site(number))).status
        for number in range(9)
        for _ in range(5)
    ]
    assert statuses == [202] * 40 + [429] * 5
    elsewhere = await limited.post("/auth/register", registration(EMAIL), address="2001:db8:2::1")
    assert elsewhere.status == 202


async def test_a_site_has_as_much_as_eight_networks(database: Database) -> None:
    """A hundredth of production's: 3 of the 300 registrations an hour."""
    async with serve(database, rate_limit_scale=0.01) as narrow:

        async def registered(network: int, tries: int) -> int:
            names = [f"{network}-{number}@example.com" for number in range(tries)]
            answers = [
                await narrow.post("/auth/register", registration(name), address=of_site(network)) for name in names
            ]
            assert {answer.status for answer in answers} <= {202, 429}
            return sum(answer.status == 202 for answer in answers)

        # What a network is refused counts against none of its neighbours.
        assert await registered(0, 8) == 3
        assert sum([await registered(number, 3) for number in range(1, 10)]) == 21
        refused = await narrow.post("/auth/register", registration("z@example.com"), address=of_site(99))
        assert refused.code == "rate_limited"
        assert refused.body["retryAfterMs"] > 0
        elsewhere = await narrow.post("/auth/register", registration("z@example.com"), address="2001:db8:2::1")
        assert elsewhere.status == 202
