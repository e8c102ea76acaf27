"""300 messages from three devices of two people, each sent one to three times, over every transport."""

from __future__ import annotations

import asyncio

import pytest

from tests.conversations.exchange import MESSAGES, Phone, carry_out, check_heard, check_outsider, plan
from tests.conversations.js_devices import js_devices
from tests.harness.devices import device
from tests.harness.nodes import Running
from tests.harness.people import People

WEBSOCKET, POLLING, UPGRADE = ("websocket",), ("polling",), ("polling", "websocket")


async def _check(conversation: str, client: list[Phone], trainer: list[Phone], outsider: Phone) -> None:
    messages = await carry_out(conversation, plan([client, trainer]))
    assert [message["seq"] for message in messages] == [*range(1, MESSAGES + 1)]
    assert len({message["id"] for message in messages}) == MESSAGES
    await asyncio.gather(*(check_heard(conversation, phone, messages) for phone in (*client, *trainer)))
    await check_outsider(conversation, messages[0]["id"], outsider)


async def _check_store(running: Running, conversation: str) -> None:
    """Nothing but the messages was stored, and no number is missing."""
    entries = await running.node.store.log.read.between({conversation: (0, 10_000)}, 1000)
    assert [entry.seq for entry in entries] == [*range(1, MESSAGES + 1)]
    assert all(entry.change is None for entry in entries)


@pytest.mark.parametrize(
    ("phone_over", "tablet_over", "other_over"),
    [(WEBSOCKET, POLLING, UPGRADE), (POLLING, UPGRADE, WEBSOCKET), (UPGRADE, WEBSOCKET, POLLING)],
)
async def test_the_python_client(
    running: Running,
    people: People,
    phone_over: tuple[str, ...],
    tablet_over: tuple[str, ...],
    other_over: tuple[str, ...],
) -> None:
    client, trainer, conversation = await people.pair()
    outsider = await people.make("client")
    async with (
        device(running.url, client, transports=phone_over) as phone,
        device(running.url, await people.another_device(client), transports=tablet_over) as tablet,
        device(running.url, trainer, transports=other_over) as other,
        device(running.url, outsider) as stranger,
    ):
        await _check(conversation, [phone, tablet], [other], stranger)
    await _check_store(running, conversation)


async def test_the_javascript_client(running: Running, people: People) -> None:
    client, trainer, conversation = await people.pair()
    outsider = await people.make("trainer")
    async with js_devices() as devices:
        phone, tablet, other, stranger = await asyncio.gather(
            devices.connect(running.url, client, WEBSOCKET),
            devices.connect(running.url, await people.another_device(client), POLLING),
            devices.connect(running.url, trainer, UPGRADE),
            devices.connect(running.url, outsider, UPGRADE),
        )
        await _check(conversation, [phone, tablet], [other], stranger)
        transports = [await each.transport() for each in (phone, tablet, other)]
        assert transports == ["websocket", "polling", "websocket"]
    await _check_store(running, conversation)
