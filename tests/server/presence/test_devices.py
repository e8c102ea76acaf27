"""Devices of one node: what they say together, and the grace."""

from __future__ import annotations

import asyncio

import pytest

from domain.presence import Choice
from server.presence import devices as module
from server.presence.devices import Devices


class Received:
    def __init__(self, grace_seconds: float) -> None:
        self.now = 0
        self.changes: list[tuple[str, int]] = []
        self.devices = Devices(grace_seconds, lambda: self.now, self._receive)
        self._changed = asyncio.Event()

    def _receive(self, user_id: str, left_at: int) -> None:
        self.changes.append((user_id, left_at))
        self._changed.set()

    async def told_of(self, count: int) -> None:
        while len(self.changes) < count:
            await self._changed.wait()
            self._changed.clear()


async def test_only_what_changes_for_others_is_told() -> None:
    received = Received(60.0)
    devices = received.devices
    for device in ("phone", "laptop"):
        devices.connect(device, "u")
        devices.connect(device, "u")
    devices.set("phone", "away")
    assert received.changes == [("u", 0)]
    devices.set("laptop", "away")
    assert devices.status("u") == "away"
    assert devices.set("nobody's", "away") is None
    assert len(received.changes) == 2
    devices.stop()


async def test_a_device_that_left_counts_until_the_grace_is_over() -> None:
    received = Received(0.05)
    devices = received.devices
    devices.connect("phone", "u")
    received.now = 7
    devices.disconnect("phone")
    assert devices.status("u") == "online"
    received.now = 9
    async with asyncio.timeout(5):
        await received.told_of(2)
    # It was seen when it left, not when the grace was over.
    assert received.changes == [("u", 0), ("u", 7)]
    assert devices.status("u") is None
    assert not devices.users


async def test_flapping_leaves_one_timer_and_no_trace() -> None:
    received = Received(60.0)
    devices = received.devices
    for number in range(100):
        devices.connect(number, "u")
        devices.disconnect(number)
    assert devices.leaving == 1
    assert received.changes == [("u", 0)]
    devices.end_graces()
    assert (devices.leaving, len(devices.users)) == (0, 0)


async def test_what_a_person_chose_holds_for_all_devices_and_the_newest_counts() -> None:
    received = Received(60.0)
    devices = received.devices
    hidden, shown = Choice(status="invisible", version=3), Choice(status="away", version=4)
    devices.connect("phone", "u")
    devices.connect("laptop", "u")
    assert devices.choose("u", hidden)
    devices.set("phone", "invisible")
    assert devices.status("u") == "invisible"
    assert not devices.choose("u", Choice(status="online", version=2))
    # Looked up before, admitted after.
    devices.connect("late", "u", "online")
    assert devices.status("u") == "invisible"
    devices.disconnect("laptop")
    devices.disconnect("late")
    devices.end_graces()
    assert devices.choose("u", shown)
    assert devices.status("u") == "away"
    assert not devices.choose("u", hidden)
    assert received.changes == [("u", 0)] * 3
    devices.stop()


async def test_choices_of_those_who_are_not_here_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_CHOICES", 10)
    devices = Received(60.0).devices
    devices.connect("phone", "here")
    devices.choose("here", Choice(status="invisible", version=1))
    for number in range(100):
        devices.choose(f"u{number}", Choice(status="invisible", version=1))
    assert devices.status("here") == "invisible"
    assert sum(devices.choice(f"u{number}").hides for number in range(100)) <= 12
    devices.stop()


async def test_a_choice_that_ended_hiding_holds_for_the_device_that_hid() -> None:
    """It was read as it had been before, and is admitted after the newer one has arrived."""
    devices = Received(60.0).devices
    devices.choose("u", Choice(status="online", version=2))
    devices.choose("u", Choice(status="invisible", version=1))
    devices.connect("laptop", "u", "invisible")
    assert devices.status("u") == "online"
    devices.stop()


async def test_the_choice_of_one_who_returns_is_not_forgotten_as_it_arrives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_CHOICES", 3)
    devices = Received(60.0).devices
    online, hidden = Choice(status="online", version=1), Choice(status="invisible", version=2)
    for here in ("h1", "h2"):
        devices.connect(here, here)
        devices.choose(here, online)
    for gone in ("u", "g1"):
        devices.choose(gone, online)
    devices.choose("u", hidden)
    devices.connect("phone", "u")
    assert devices.status("u") == "invisible"
    devices.stop()
