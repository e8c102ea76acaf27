"""Why a socket ends reaches the official JavaScript client over each transport: it forgets what comes with a close."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from domain import rooms
from domain.wire.events import SyncRequired
from server.app import utc_now
from server.security.tokens import LIFETIME
from tests.conversations.js_devices import JsDevices, js_devices
from tests.harness.clock import RunningClock
from tests.together.revocation_nodes import DEAD_REDIS, fleet
from tests.together.session_ends import ENDS_OF_ALL_SESSIONS, ENDS_OF_ONE_SESSION

TRANSPORTS = [("polling",), ("polling", "websocket"), ("websocket",)]


@pytest.fixture
async def devices() -> AsyncIterator[JsDevices]:
    async with js_devices() as made:
        yield made


async def test_a_revocation_is_told(database_url: str, tmp_path: Path, devices: JsDevices) -> None:
    async with fleet(database_url, DEAD_REDIS, tmp_path) as together:
        for act, reason in (*ENDS_OF_ONE_SESSION, *ENDS_OF_ALL_SESSIONS):
            person = await together.person()
            tokens = await together.login(person)
            signed_in = replace(person, token=tokens["accessToken"])
            phones = [await devices.connect(together.nodes[0].url, signed_in, over) for over in TRANSPORTS]
            await act(together, person, tokens)
            for phone, over in zip(phones, TRANSPORTS, strict=True):
                await phone.receive("disconnect")
                assert phone.events("session:revoked") == [{"reason": reason}], over


async def test_expiry_is_told_and_is_no_revocation(database_url: str, tmp_path: Path, devices: JsDevices) -> None:
    clock = RunningClock()
    async with fleet(database_url, DEAD_REDIS, tmp_path, clock) as alone:
        person = await alone.people.make()
        clock.advance(seconds=LIFETIME.total_seconds() - 3)
        phones = [await devices.connect(alone.nodes[0].url, person, over) for over in TRANSPORTS]
        for phone in phones:
            await phone.receive("disconnect")
            assert [event for event, _ in phone.received] == ["auth:expiring", "auth:expired", "disconnect"]
            assert phone.events("auth:expired") == [{}]


async def test_what_was_said_before_a_drain_is_told(database_url: str, tmp_path: Path, devices: JsDevices) -> None:
    async with fleet(database_url, DEAD_REDIS, tmp_path, utc_now) as alone:
        node, url = alone.nodes[0].node, alone.nodes[0].url
        person, revoked = await alone.people.make(), await alone.people.make()
        phones = [await devices.connect(url, person, over) for over in TRANSPORTS]
        ended = [await devices.connect(url, revoked, over) for over in TRANSPORTS]
        node.registry.cut(revoked.id, "blocked")
        node.publisher.publish(SyncRequired(), rooms.user(person.id))
        await node.gateway.eio.drain(3)
        for phone in (*phones, *ended):
            await phone.receive("disconnect")
        assert [phone.events("sync:required") for phone in phones] == [[{}]] * 3
        assert [phone.events("session:revoked") for phone in ended] == [[{"reason": "blocked"}]] * 3
