"""Registration: nothing tells whether an address is known, and a code activates its own registration only."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from bson import ObjectId

from handlers.accounts.registration import profile_of
from tests.rest.surface import PASSWORD, Surface

EMAIL = "ann@example.com"
OTHER_PASSWORD = "something else entirely"


async def test_known_and_unknown_addresses_cost_and_answer_the_same(surface: Surface) -> None:
    await surface.sign_up(EMAIL)
    answers, uses = [], []
    for email in (EMAIL, "new@example.com", "new@example.com"):
        before = surface.passwords.uses
        answer = await surface.post(
            "/auth/register", {"email": email, "password": PASSWORD, "role": "client", "name": "X"}
        )
        answers.append((answer.status, answer.body))
        uses.append(surface.passwords.uses - before)
    assert answers == [(202, {"status": "verification_sent"})] * 3
    assert uses == [1, 1, 1]
    assert "already have" in surface.mail.to(EMAIL)[-1].subject


async def test_login_costs_the_same_for_a_known_an_unknown_and_an_unverified_address(surface: Surface) -> None:
    await surface.sign_up(EMAIL)
    await surface.register("pending@example.com")
    answers, uses = [], []
    for email in (EMAIL, "nobody@example.com", "pending@example.com"):
        before = surface.passwords.uses
        answer = await surface.login(email, "not the password")
        answers.append((answer.status, answer.code, answer.body["detail"]))
        uses.append(surface.passwords.uses - before)
    assert len(set(answers)) == 1
    assert answers[0][:2] == (401, "invalid_credentials")
    assert uses == [1, 1, 1]


async def test_wrong_used_expired_and_unknown_codes_answer_alike(surface: Surface) -> None:
    used = await surface.register(EMAIL)
    await surface.verify(EMAIL, used)
    late = await surface.register("late@example.com")
    surface.clock.advance(minutes=10)
    fresh = await surface.register("fresh@example.com")
    wrong = "000000" if fresh != "000000" else "000001"
    answers = [
        await surface.verify(EMAIL, used),
        await surface.verify("late@example.com", late),
        await surface.verify("fresh@example.com", wrong),
        await surface.verify("nobody@example.com", "123456"),
    ]
    assert {(a.status, a.code, a.body["detail"]) for a in answers} == {
        (422, "invalid_code", "The code is wrong or has expired.")
    }


async def test_codes_are_not_stored_as_they_are(surface: Surface) -> None:
    code = await surface.register(EMAIL)
    stored = await surface.user(EMAIL)
    assert code not in str(stored)
    assert PASSWORD not in str(stored)


async def test_of_twenty_guesses_at_once_five_count(surface: Surface) -> None:
    code = await surface.register(EMAIL)
    guesses = [f"{(int(code) + n) % 1_000_000:06d}" for n in range(1, 21)]
    answers = await asyncio.gather(*(surface.verify(EMAIL, guess) for guess in guesses))
    assert {answer.code for answer in answers} == {"invalid_code"}
    assert (await surface.user(EMAIL))["registrations"][0]["tries"] == 5
    assert (await surface.verify(EMAIL, code)).code == "invalid_code"


async def test_one_code_used_twenty_times_at_once_signs_in_once(surface: Surface) -> None:
    code = await surface.register(EMAIL)
    answers = await asyncio.gather(*(surface.verify(EMAIL, code) for _ in range(20)))
    assert sorted(answer.status for answer in answers) == [200] + [422] * 19


async def test_twenty_registrations_of_one_address_at_once_make_one_user(surface: Surface) -> None:
    body = {"email": EMAIL, "password": PASSWORD, "role": "client", "name": "Ann"}
    answers = await asyncio.gather(*(surface.post("/auth/register", body) for _ in range(6)))
    assert {answer.status for answer in answers} == {202}
    assert await surface.database.collection("users").count_documents({}) == 1
    assert await surface.database.collection("clients").count_documents({}) == 1


@pytest.mark.parametrize("first", [True, False])
async def test_of_two_pending_registrations_the_code_activates_its_own(surface: Surface, first: bool) -> None:
    mallory = await surface.register(EMAIL, OTHER_PASSWORD, role="trainer", name="Mallory", address="198.51.100.7")
    ann = await surface.register(EMAIL, PASSWORD, role="client", name="Ann")
    code, good, bad, role, name = (
        (mallory, OTHER_PASSWORD, PASSWORD, "trainer", "Mallory")
        if first
        else (ann, PASSWORD, OTHER_PASSWORD, "client", "Ann")
    )
    verified = await surface.verify(EMAIL, code)
    assert verified.body["user"]["role"] == role
    assert (await surface.login(EMAIL, good)).status == 200
    assert (await surface.login(EMAIL, bad)).code == "invalid_credentials"
    profiles = [p for c in ("clients", "trainers") async for p in surface.database.collection(c).find({})]
    assert [(p["_id"], p["name"]) for p in profiles] == [(ObjectId(verified.body["user"]["profileId"]), name)]
    assert (await surface.verify(EMAIL, ann if first else mallory)).code == "invalid_code"


async def test_registering_again_with_the_same_password_renews_that_one(surface: Surface) -> None:
    old = await surface.register(EMAIL, name="Ann")
    new = await surface.register(EMAIL, name="Anne")
    assert len((await surface.user(EMAIL))["registrations"]) == 1
    if old != new:
        assert (await surface.verify(EMAIL, old)).code == "invalid_code"
    assert (await surface.verify(EMAIL, new)).status == 200


async def test_at_most_five_registrations_wait(surface: Surface) -> None:
    for n in range(7):
        await surface.register(EMAIL, f"{PASSWORD} {n}")
    assert len((await surface.user(EMAIL))["registrations"]) == 5


async def test_before_verification_the_newest_password_is_told_to_verify(surface: Surface) -> None:
    await surface.register(EMAIL, OTHER_PASSWORD)
    await surface.register(EMAIL, PASSWORD)
    newest = await surface.login(EMAIL, PASSWORD)
    assert (newest.status, newest.code) == (403, "email_not_verified")
    assert (await surface.login(EMAIL, OTHER_PASSWORD)).code == "invalid_credentials"


async def resend(surface: Surface, email: str, address: str) -> str:
    sent = len(surface.mail.to(email))
    answer = await surface.post("/auth/resend-code", {"email": email}, address=address)
    assert (answer.status, answer.body) == (202, {"status": "verification_sent"})
    assert len(surface.mail.to(email)) == sent + 1
    return surface.mail.code(email)


async def test_a_new_code_is_for_the_registration_from_the_same_address(surface: Surface) -> None:
    await surface.register(EMAIL, PASSWORD, address="203.0.113.1")
    await surface.register(EMAIL, OTHER_PASSWORD, address="198.51.100.7")
    assert (await surface.verify(EMAIL, await resend(surface, EMAIL, "203.0.113.1"))).status == 200
    assert (await surface.login(EMAIL, PASSWORD)).status == 200


async def test_a_new_code_is_for_the_only_registration(surface: Surface) -> None:
    await surface.register(EMAIL, PASSWORD, address="203.0.113.1")
    surface.clock.advance(hours=3)
    assert (await surface.verify(EMAIL, await resend(surface, EMAIL, "192.0.2.9"))).status == 200
    assert (await surface.login(EMAIL, PASSWORD)).status == 200


async def test_a_new_code_for_nobody_in_particular_activates_no_password(surface: Surface) -> None:
    await surface.register(EMAIL, OTHER_PASSWORD, address="198.51.100.7")
    await surface.register(EMAIL, PASSWORD, address="203.0.113.1")
    code = await resend(surface, EMAIL, "192.0.2.9")
    verified = await surface.verify(EMAIL, code)
    assert verified.status == 200
    assert (await surface.get("/me", token=verified.body["accessToken"])).status == 200
    for password in (PASSWORD, OTHER_PASSWORD):
        assert (await surface.login(EMAIL, password)).code == "invalid_credentials"


async def test_a_new_code_replaces_the_old_and_its_tries(surface: Surface) -> None:
    old = await surface.register(EMAIL)
    wrong = f"{(int(old) + 1) % 1_000_000:06d}"
    for _ in range(5):
        await surface.verify(EMAIL, wrong)
    assert (await surface.verify(EMAIL, await resend(surface, EMAIL, "203.0.113.1"))).status == 200


async def test_no_new_code_for_unknown_or_verified_addresses_but_the_same_answer(surface: Surface) -> None:
    await surface.sign_up(EMAIL)
    sent = len(surface.mail.mails)
    for email in (EMAIL, "nobody@example.com"):
        answer = await surface.post("/auth/resend-code", {"email": email})
        assert (answer.status, answer.body) == (202, {"status": "verification_sent"})
    assert len(surface.mail.mails) == sent


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../../etc/passwd", "europe/paris"])
async def test_a_time_zone_has_to_exist(surface: Surface, zone: str) -> None:
    body = {"email": EMAIL, "password": PASSWORD, "role": "trainer", "name": "T", "timeZone": zone}
    answer = await surface.post("/auth/register", body)
    assert (answer.status, answer.body["errors"][0]["field"]) == (422, "timeZone")


async def test_a_code_that_was_replaced_while_it_was_checked_activates_nothing(surface: Surface) -> None:
    await surface.register(EMAIL)
    store, now = surface.context.store, surface.clock()
    known = await store.users.by_email(EMAIL)
    assert known is not None
    (stale,) = known.registrations
    await resend(surface, EMAIL, "203.0.113.1")
    user = msgspec.structs.replace(known.user, is_verified=True, password=stale.password)
    profile = profile_of(user, stale, now)
    assert not await store.accounts.activate(user, user.role, stale, profile, user.profile_id)
    assert (await surface.user(EMAIL))["isVerified"] is False
