"""Registration: nothing tells whether an address is known, and no stranger changes what its owner gets."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime

import pytest
from bson import ObjectId

from handlers.accounts.codes import of_registration
from handlers.accounts.registration import profile_of, user_of
from tests.rest.surface import PASSWORD, Registered, Surface

EMAIL = "ann@example.com"
OTHER_PASSWORD = "something else entirely"
ELSEWHERE = "198.51.100.7"


async def test_known_and_unknown_addresses_cost_and_answer_the_same(surface: Surface) -> None:
    await surface.sign_up(EMAIL)
    answers, uses = [], []
    for email in (EMAIL, "new@example.com", "new@example.com"):
        before = surface.passwords.uses
        answer = await surface.post(
            "/auth/register", {"email": email, "password": PASSWORD, "role": "client", "name": "X"}
        )
        token = answer.body.pop("registrationToken")
        assert re.fullmatch(r"[A-Za-z0-9_-]{43}", token)
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


async def test_a_strangers_password_is_told_the_same_whether_the_address_has_an_account(surface: Surface) -> None:
    """Whoever registers an address knows that password; what a login with it says must not tell more."""
    await surface.sign_up(EMAIL)
    for email in (EMAIL, "new@example.com"):
        body = {"email": email, "password": OTHER_PASSWORD, "role": "client", "name": "Mallory"}
        assert (await surface.post("/auth/register", body)).status == 202
        assert (await surface.login(email, OTHER_PASSWORD)).code == "email_not_verified"
    assert (await surface.login(EMAIL)).status == 200


async def test_wrong_used_expired_and_unknown_codes_answer_alike(surface: Surface) -> None:
    used = await surface.register(EMAIL)
    await surface.verify(EMAIL, used)
    late = await surface.register("late@example.com")
    surface.clock.advance(minutes=10)
    fresh = await surface.register("fresh@example.com")
    answers = [
        await surface.verify(EMAIL, used),
        await surface.verify(EMAIL, used, used.link),
        await surface.verify("late@example.com", late),
        await surface.verify("late@example.com", late, late.link),
        await surface.verify("fresh@example.com", fresh, wrong(fresh)),
        await surface.verify("fresh@example.com", fresh, "f" * 48),
        await surface.verify("fresh@example.com", Registered("another token", fresh.code)),
        await surface.verify("nobody@example.com", fresh),
    ]
    assert {(a.status, a.code, a.body["detail"]) for a in answers} == {
        (422, "invalid_code", "The code is wrong or has expired.")
    }


def wrong(registered: Registered, by: int = 1) -> str:
    return f"{(int(registered.code) + by) % 1_000_000:06d}"


async def stored(surface: Surface, email: str = EMAIL) -> list[dict[str, object]]:
    return await surface.database.collection("registrations").find({"email": email}).to_list(None)


async def test_codes_and_tokens_are_not_stored_as_they_are(surface: Surface) -> None:
    registered = await surface.register(EMAIL)
    kept = str(await stored(surface))
    for secret in (registered.code, registered.link, registered.token, PASSWORD):
        assert secret not in kept


async def test_of_twenty_guesses_at_once_five_count(surface: Surface) -> None:
    registered = await surface.register(EMAIL)
    answers = await asyncio.gather(
        *(surface.verify(EMAIL, registered, wrong(registered, n)) for n in range(1, 21))
    )
    assert {answer.code for answer in answers} == {"invalid_code"}
    assert (await surface.verify(EMAIL, registered)).code == "invalid_code"
    assert (await surface.verify(EMAIL, registered, registered.link)).status == 200, "a link counts no tries"


async def test_a_stranger_burns_no_tries(surface: Surface) -> None:
    ann = await surface.register(EMAIL)
    mallory = await surface.register(EMAIL, OTHER_PASSWORD, address=ELSEWHERE)
    for n in range(6):
        for token in (mallory.token, "no token"):
            await surface.verify(EMAIL, Registered(token, wrong(ann, n + 1)), address=ELSEWHERE)
    assert (await surface.verify(EMAIL, ann)).status == 200


async def test_one_code_used_twenty_times_at_once_signs_in_once(surface: Surface) -> None:
    registered = await surface.register(EMAIL)
    answers = await asyncio.gather(*(surface.verify(EMAIL, registered, registered.link) for _ in range(20)))
    assert sorted(answer.status for answer in answers) == [200] + [422] * 19
    assert await surface.database.collection("users").count_documents({}) == 1
    assert await surface.database.collection("clients").count_documents({}) == 1


async def test_two_registrations_verified_at_once_make_one_user(surface: Surface) -> None:
    both = [await surface.register(EMAIL, f"{PASSWORD} {n}") for n in range(2)]
    answers = await asyncio.gather(*(surface.verify(EMAIL, one) for one in both))
    assert sorted(answer.status for answer in answers) == [200, 422]
    assert await surface.database.collection("users").count_documents({}) == 1


@pytest.mark.parametrize("first", [True, False])
async def test_code_and_token_activate_their_own_registration_only(surface: Surface, first: bool) -> None:
    """Before the owner or after: what the stranger chose is activated by no mail that the owner answers."""
    made = {}
    for who in ("mallory", "ann") if first else ("ann", "mallory"):
        if who == "mallory":
            made[who] = await surface.register(EMAIL, OTHER_PASSWORD, role="trainer", name="Mallory", address=ELSEWHERE)
        else:
            made[who] = await surface.register(EMAIL, PASSWORD, role="client", name="Ann")
    ann, mallory = made["ann"], made["mallory"]
    for proof in (mallory.code, mallory.link):
        assert (await surface.verify(EMAIL, Registered(ann.token, proof))).code == "invalid_code"
    for proof in (ann.code, ann.link):
        assert (await surface.verify(EMAIL, Registered(mallory.token, proof))).code == "invalid_code"
    verified = await surface.verify(EMAIL, ann)
    assert verified.body["user"]["role"] == "client"
    assert (await surface.login(EMAIL, PASSWORD)).status == 200
    assert (await surface.login(EMAIL, OTHER_PASSWORD)).code == "invalid_credentials"
    profiles = [p for c in ("clients", "trainers") async for p in surface.database.collection(c).find({})]
    assert [(p["_id"], p["name"]) for p in profiles] == [(ObjectId(verified.body["user"]["profileId"]), "Ann")]
    assert (await surface.verify(EMAIL, mallory)).code == "invalid_code", "the others are void"
    assert await stored(surface) == []


async def test_no_number_of_registrations_keeps_the_owner_from_theirs(limited: Surface) -> None:
    """With production's limits: a stranger of many networks uses up what is theirs."""
    ann = await limited.register(EMAIL)
    for n in range(40):
        body = {"email": EMAIL, "password": f"{OTHER_PASSWORD} {n}", "role": "trainer", "name": "Mallory"}
        assert (await limited.post("/auth/register", body, address=f"198.51.100.{n % 8}")).status == 202
    assert (await limited.post("/auth/register", body, address="198.51.100.0")).status == 429
    assert (await limited.login(EMAIL, PASSWORD)).code == "email_not_verified"
    again = await resend(limited, EMAIL, ann)
    assert (await limited.verify(EMAIL, again)).body["user"]["role"] == "client"
    assert (await limited.login(EMAIL, PASSWORD)).status == 200


async def test_two_mails_can_be_told_apart(surface: Surface) -> None:
    await surface.register(EMAIL, name="Ann", agent="Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X)")
    await surface.register(EMAIL, role="trainer", name="Mallory", agent="okhttp/4.12")
    ann, mallory = (mail.text for mail in surface.mail.to(EMAIL))
    assert all(word in ann for word in ("client", "Ann", "iPhone"))
    assert all(word in mallory for word in ("trainer", "Mallory", "Android"))


async def resend(surface: Surface, email: str, registered: Registered, **how: str) -> Registered:
    sent = len(surface.mail.to(email))
    body = {"email": email, "registrationToken": registered.token}
    answer = await surface.post("/auth/resend-code", body, **how)
    assert (answer.status, answer.body) == (202, {"status": "verification_sent"})
    assert len(surface.mail.to(email)) == sent + 1
    return Registered(registered.token, surface.mail.code(email), surface.mail.link(email))


async def test_a_new_code_is_for_the_registration_of_the_token(surface: Surface) -> None:
    ann = await surface.register(EMAIL, PASSWORD, name="Ann")
    await surface.register(EMAIL, OTHER_PASSWORD, name="Mallory", address=ELSEWHERE)
    surface.clock.advance(hours=3)
    again = await resend(surface, EMAIL, ann, address="192.0.2.9")
    assert "Ann" in surface.mail.to(EMAIL)[-1].text
    assert (await surface.verify(EMAIL, again)).status == 200
    assert (await surface.login(EMAIL, PASSWORD)).status == 200


async def test_a_new_code_replaces_the_old_and_its_tries(surface: Surface) -> None:
    old = await surface.register(EMAIL)
    for _ in range(5):
        await surface.verify(EMAIL, old, wrong(old))
    new = await resend(surface, EMAIL, old)
    assert (await surface.verify(EMAIL, old, old.link)).code == "invalid_code"
    assert (await surface.verify(EMAIL, new)).status == 200


async def test_a_registration_causes_six_mails_and_waits_a_day(surface: Surface) -> None:
    registered = await surface.register(EMAIL)
    for _ in range(5):
        await resend(surface, EMAIL, registered)
    body = {"email": EMAIL, "registrationToken": registered.token}
    assert (await surface.post("/auth/resend-code", body)).status == 202
    assert len(surface.mail.to(EMAIL)) == 6
    late = await surface.register("late@example.com")
    surface.clock.advance(hours=24)
    body = {"email": "late@example.com", "registrationToken": late.token}
    assert (await surface.post("/auth/resend-code", body)).status == 202
    assert len(surface.mail.to("late@example.com")) == 1
    assert (await surface.login("late@example.com")).code == "invalid_credentials"


async def test_no_new_code_for_unknown_or_verified_addresses_but_the_same_answer(surface: Surface) -> None:
    used = await surface.register(EMAIL)
    assert (await surface.verify(EMAIL, used)).status == 200
    body = {"email": EMAIL, "password": OTHER_PASSWORD, "role": "client", "name": "Mallory"}
    token = (await surface.post("/auth/register", body)).body["registrationToken"]
    sent = len(surface.mail.mails)
    nobody = "nobody@example.com"
    for email, said in ((EMAIL, used.token), (EMAIL, token), (nobody, token), (nobody, "x")):
        answer = await surface.post("/auth/resend-code", {"email": email, "registrationToken": said})
        assert (answer.status, answer.body) == (202, {"status": "verification_sent"})
    assert len(surface.mail.mails) == sent


async def test_what_is_registered_for_an_account_becomes_nothing(surface: Surface) -> None:
    """Not even with its code, which is never mailed."""
    await surface.sign_up(EMAIL)
    body = {"email": EMAIL, "password": OTHER_PASSWORD, "role": "trainer", "name": "Mallory"}
    token = (await surface.post("/auth/register", body)).body["registrationToken"]
    context = surface.context
    registration = await context.store.registrations.count_try(
        context.secrets.keyed_hash("registration", token), EMAIL, context.now(), counts=False
    )
    assert registration is not None
    codes = of_registration(context, registration)
    for code in (codes.digits, codes.link):
        assert (await surface.verify(EMAIL, Registered(token, code))).code == "invalid_code"
    now = context.now()
    user = user_of(context, registration, now)
    assert not await context.store.accounts.activate(user, registration, profile_of(user, registration, now))
    assert (await surface.login(EMAIL)).body["user"]["role"] == "client"


async def test_an_erased_account_takes_what_is_pending_along(surface: Surface) -> None:
    token = (await surface.sign_up(EMAIL))["accessToken"]
    body = {"email": EMAIL, "password": OTHER_PASSWORD, "role": "trainer", "name": "Mallory"}
    assert (await surface.post("/auth/register", body)).status == 202
    assert (await surface.post("/me/erase", {"password": PASSWORD}, token=token)).status == 204
    assert await stored(surface) == []
    assert (await surface.verify(EMAIL, await surface.register(EMAIL))).status == 200


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../../etc/passwd", "europe/paris"])
async def test_a_time_zone_has_to_exist(surface: Surface, zone: str) -> None:
    body = {"email": EMAIL, "password": PASSWORD, "role": "trainer", "name": "T", "timeZone": zone}
    answer = await surface.post("/auth/register", body)
    assert (answer.status, answer.body["errors"][0]["field"]) == (422, "timeZone")


async def test_a_code_that_was_replaced_while_it_was_checked_activates_nothing(surface: Surface) -> None:
    registered = await surface.register(EMAIL)
    context = surface.context
    stale = await context.store.registrations.count_try(
        context.secrets.keyed_hash("registration", registered.token), EMAIL, context.now(), counts=False
    )
    assert stale is not None
    await resend(surface, EMAIL, registered)
    user = user_of(context, stale, context.now())
    assert not await context.store.accounts.activate(user, stale, profile_of(user, stale, context.now()))
    assert await surface.database.collection("users").count_documents({}) == 0


@pytest.mark.parametrize("role", ["client", "trainer"])
async def test_what_version_1_left_pending_gives_way(surface: Surface, role: str) -> None:
    """A user that was never verified, its registrations inside."""
    now, user_id, profile_id = datetime(2026, 11, 1, tzinfo=UTC), ObjectId(), ObjectId()
    former = {"isVerified": False, "registrations": [{"password": "x"}], "registrationsRevision": 1, "resetCode": "x"}
    document = {"_id": user_id, "email": EMAIL, "role": role, "profileId": str(profile_id), **former}
    users, profiles = surface.database.collection("users"), surface.database.collection(f"{role}s")
    await users.insert_one({**document, "createdAt": now, "updatedAt": now})
    await profiles.insert_one({"_id": profile_id, "user": user_id, "name": "Former", "email": EMAIL})
    assert (await surface.login(EMAIL)).code == "invalid_credentials"
    sent = len(surface.mail.mails)
    assert (await surface.post("/auth/forgot-password", {"email": EMAIL})).status == 202
    assert len(surface.mail.mails) == sent
    assert (await surface.verify(EMAIL, await surface.register(EMAIL))).status == 200
    assert await users.count_documents({"email": EMAIL}) == 1
    assert await profiles.count_documents({"_id": profile_id}) == 0
