"""An upgrade that is probed and then stalls: a middlebox lets the handshake through and swallows the frames."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from domain.wire.events import CONVERSATIONS
from tests.conversations.js_devices import JsDevice, js_devices
from tests.harness.devices import Device, device
from tests.harness.nodes import RunningNode
from tests.harness.people import People
from tests.harness.waiting import until
from tests.server.sockets.middlebox import Middlebox, middlebox

UPGRADE = ("polling", "websocket")
# Ten a second, at three times that.
MOST_POLLS_A_SECOND = 30


@dataclass
class Pending:
    """The official client, whose upgrade the server has answered and it has not received the answer."""

    running: RunningNode
    box: Middlebox
    phone: JsDevice
    other: Device
    conversation: str

    @property
    def upgrading(self) -> bool:
        return any(socket.probe is not None for socket in self.running.node.gateway.eio.sockets.values())

    async def converse(self, start: int, count: int) -> None:
        """Messages from both sides in turn, each received by the phone."""
        for number in range(start, start + count, 2):
            await self.other.send(self.conversation, f"b{number}")
            await self.phone.send(self.conversation, f"a{number}")
        await self.phone.receive("message:new", start + count - 1)

    def check(self, count: int) -> None:
        """Nothing lost, doubled or out of order."""
        assert [event["seq"] for event in self.phone.events("message:new")] == [*range(1, count + 1)]


@pytest.fixture
async def pending(running: RunningNode, people: People) -> AsyncIterator[Pending]:
    client, trainer, conversation = await people.pair()
    async with (
        js_devices() as devices,
        middlebox(running.url) as box,
        device(running.url, trainer, (CONVERSATIONS,)) as other,
    ):
        phone = await devices.connect(box.url, client, UPGRADE)
        sockets = running.node.gateway.eio.sockets
        await until(lambda: any(socket.probe and socket.probe.answered for socket in sockets.values()))
        yield Pending(running, box, phone, other, conversation)


async def test_events_and_acknowledgements_keep_going_over_polls(pending: Pending) -> None:
    before = pending.box.polls
    await pending.converse(1, 20)
    assert pending.upgrading
    pending.check(20)
    assert await pending.phone.transport() == "polling"
    # Each message takes a poll for the event and one for the acknowledgement at most.
    assert pending.box.polls - before < 60


async def test_empty_answers_are_paced(pending: Pending) -> None:
    loop = asyncio.get_running_loop()
    began, before = loop.time(), pending.box.polls
    await until(lambda: pending.box.polls - before >= 5)
    took = loop.time() - began
    assert 5 / took < MOST_POLLS_A_SECOND


@pytest.mark.parametrize("succeeds", [True, False])
async def test_nothing_is_lost_doubled_or_reordered_when_it_ends(pending: Pending, succeeds: bool) -> None:
    await pending.converse(1, 10)
    talking = asyncio.create_task(pending.converse(11, 40))
    await pending.phone.receive("message:new", 15)
    assert pending.upgrading
    if succeeds:
        pending.box.release()
    else:
        pending.box.cut()
    await until(lambda: not pending.upgrading)
    await talking
    await pending.converse(51, 10)
    pending.check(60)
    assert await pending.phone.transport() == ("websocket" if succeeds else "polling")
