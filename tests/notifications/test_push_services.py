"""Our clients against stand-ins that speak APNs' and FCM's protocols."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import jwt
import pytest

from handlers.pushes import Push
from server.push.apns import Apns
from server.push.configuration import ApnsAccount
from server.push.fcm import Fcm
from tests.harness.clock import StandingClock
from tests.harness.devices import TIMEOUT_SECONDS
from tests.notifications.services import (
    APNS_KEY,
    KEY_ID,
    PROJECT,
    TEAM,
    TOPIC,
    PushService,
    Received,
    pem,
    public,
    serving,
)

REGISTERED = datetime(2026, 11, 1, tzinfo=UTC)
ENDS_AT = datetime(2026, 11, 30, tzinfo=UTC)
NOW = datetime(2026, 11, 28, tzinfo=UTC)


@pytest.fixture(scope="module")
async def shared() -> AsyncIterator[PushService]:
    async with serving(PushService()) as service:
        yield service


@pytest.fixture
def service(shared: PushService) -> PushService:
    shared.replies.clear()
    shared.open.set()
    shared.signed.clear()
    return shared


@pytest.fixture
def clock() -> StandingClock:
    return StandingClock(NOW)


@pytest.fixture
async def apns(service: PushService, clock: StandingClock) -> AsyncIterator[Apns]:
    client = Apns(ApnsAccount(pem(APNS_KEY), KEY_ID, TEAM, TOPIC), clock, service.url, timeout_seconds=TIMEOUT_SECONDS)
    yield client
    await client.stop()


@pytest.fixture
async def fcm(service: PushService, clock: StandingClock) -> AsyncIterator[Fcm]:
    client = Fcm(service.account(), clock, service.url, timeout_seconds=TIMEOUT_SECONDS)
    yield client
    await client.stop()


def a_push(**but: Any) -> Push:
    said = {"title": "Ann", "body": "hello", "badge": 3, "thread": "t", **but}
    return Push(
        id=uuid4(), token="ab" * 32, collapse_key="conversation:1", data={"type": "entry", "id": "x"}, ends_at=ENDS_AT,
        **said,
    )  # fmt: skip


async def received(service: PushService) -> Received:
    async with asyncio.timeout(10):
        return await service.received.get()


async def test_apns_is_asked_as_it_says(service: PushService, apns: Apns, clock: StandingClock) -> None:
    push = a_push()
    assert await apns.deliver(push, REGISTERED) == "delivered"
    got = await received(service)
    assert (got.http_version, got.path) == ("2", f"/3/device/{push.token}")
    assert got.headers["apns-topic"] == TOPIC
    assert (got.headers["apns-push-type"], got.headers["apns-priority"]) == ("alert", "10")
    assert (got.headers["apns-id"], got.headers["apns-collapse-id"]) == (str(push.id), "conversation:1")
    assert got.headers["apns-expiration"] == str(int(ENDS_AT.timestamp()))
    aps = got.body["aps"]
    assert aps["alert"] == {"title": "Ann", "body": "hello"}
    assert (aps["badge"], aps["sound"], aps["thread-id"]) == (3, "default", "t")
    signed = got.headers["authorization"].removeprefix("bearer ")
    assert jwt.get_unverified_header(signed)["kid"] == KEY_ID
    claims = jwt.decode(signed, public(APNS_KEY), ["ES256"], options={"verify_iat": False})
    assert claims == {"iss": TEAM, "iat": int(NOW.timestamp())}
    # A silent one wakes the app, and the system sets the badge.
    assert await apns.deliver(a_push(title="", body=""), REGISTERED) == "delivered"
    silent = await received(service)
    assert silent.body["aps"] == {"content-available": 1, "badge": 3, "thread-id": "t"}
    assert (silent.headers["apns-push-type"], silent.headers["apns-priority"]) == ("alert", "5")
    # The token is made anew before the hour is over, and not before 20 minutes are.
    assert silent.headers["authorization"].endswith(signed)
    clock.advance(minutes=50)
    assert await apns.deliver(push, REGISTERED) == "delivered"
    assert not (await received(service)).headers["authorization"].endswith(signed)


@pytest.mark.parametrize(
    ("status", "said", "outcome"),
    [
        (410, {"reason": "Unregistered", "timestamp": 1_795_000_000_000}, "gone"),
        (410, {"reason": "Unregistered", "timestamp": 1_700_000_000_000}, "refused"),
        (400, {"reason": "BadDeviceToken"}, "gone"),
        (400, {"reason": "DeviceTokenNotForTopic"}, "gone"),
        (400, {"reason": "BadTopic"}, "refused"),
        (403, {"reason": "ExpiredProviderToken"}, "later"),
        (429, {"reason": "TooManyRequests"}, "later"),
        (503, {"reason": "Shutdown"}, "later"),
        (500, ["nonsense"], "later"),
        (302, {}, "later"),
    ],
)
async def test_what_apns_answers(service: PushService, apns: Apns, status: int, said: Any, outcome: str) -> None:
    service.replies = [(status, said)]
    assert await apns.deliver(a_push(), REGISTERED) == outcome
    assert await apns.deliver(a_push(), REGISTERED) == "delivered"
    await received(service)


async def test_fcm_is_asked_as_it_says(service: PushService, fcm: Fcm) -> None:
    push = a_push()
    assert await fcm.deliver(push, REGISTERED) == "delivered"
    got = await received(service)
    assert got.path == f"/v1/projects/{PROJECT}/messages:send"
    assert got.headers["authorization"] == "Bearer access-1"
    assert service.signed[0]["scope"] == "https://www.googleapis.com/auth/firebase.messaging"
    message = got.body["message"]
    assert (message["token"], message["notification"]) == (push.token, {"title": "Ann", "body": "hello"})
    assert message["data"] == {"type": "entry", "id": "x"}
    android = message["android"]
    assert (android["collapse_key"], android["priority"], android["ttl"]) == ("conversation:1", "HIGH", "172800s")
    assert android["notification"] == {"tag": "conversation:1", "notification_count": 3}
    assert await fcm.deliver(a_push(title="", body=""), REGISTERED) == "delivered"
    silent = (await received(service)).body["message"]
    assert "notification" not in silent and silent["android"]["priority"] == "NORMAL"
    # One access token for both.
    assert len(service.signed) == 1


def fcm_error(status: int, code: str | None = None, field: str | None = None) -> tuple[int, Any]:
    details: list[Any] = []
    if code is not None:
        details.append({"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": code})
    if field is not None:
        violations = [{"field": field, "description": "Invalid"}]
        details.append({"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": violations})
    return status, {"error": {"code": status, "status": "X", "details": details}}


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (fcm_error(404, "UNREGISTERED"), "gone"),
        (fcm_error(403, "SENDER_ID_MISMATCH"), "gone"),
        (fcm_error(400, "INVALID_ARGUMENT", "message.token"), "gone"),
        (fcm_error(400, "INVALID_ARGUMENT", "message.data"), "refused"),
        (fcm_error(401, "THIRD_PARTY_AUTH_ERROR"), "later"),
        (fcm_error(429, "QUOTA_EXCEEDED"), "later"),
        (fcm_error(503, "UNAVAILABLE"), "later"),
        ((500, "nonsense"), "later"),
        ((302, {}), "later"),
    ],
)
async def test_what_fcm_answers(service: PushService, fcm: Fcm, reply: tuple[int, Any], outcome: str) -> None:
    service.replies = [reply]
    assert await fcm.deliver(a_push(), REGISTERED) == outcome
    assert await fcm.deliver(a_push(), REGISTERED) == "delivered"
    await received(service)
    # A token that was refused is not tried again.
    assert len(service.signed) == (2 if reply[0] == 401 else 1)


async def test_a_service_that_hangs_is_asked_on_another_connection(service: PushService, clock: StandingClock) -> None:
    account = ApnsAccount(pem(APNS_KEY), KEY_ID, TEAM, TOPIC)
    apns = Apns(account, clock, service.url, timeout_seconds=0.5)
    fcm = Fcm(service.account(), clock, service.url, timeout_seconds=0.5)
    for client in (apns, fcm):
        service.open.clear()
        assert await client.deliver(a_push(), REGISTERED) == "later"
        service.open.set()
        async with asyncio.timeout(3 * TIMEOUT_SECONDS):
            # A busy machine may take longer than that to connect.
            while await client.deliver(a_push(), REGISTERED) == "later":
                pass
        await client.stop()
    assert await Apns(
        ApnsAccount(pem(APNS_KEY), KEY_ID, TEAM, TOPIC), StandingClock(NOW), "http://127.0.0.1:1"
    ).deliver(a_push(), REGISTERED) == "later"  # fmt: skip


async def test_many_go_on_one_connection(service: PushService, apns: Apns) -> None:
    many = [a_push() for _ in range(50)]
    outcomes = await asyncio.gather(*(apns.deliver(push, REGISTERED) for push in many))
    assert set(outcomes) == {"delivered"}
    missing = {str(push.id) for push in many}
    while missing:
        missing.discard((await received(service)).id)
