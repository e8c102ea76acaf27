"""300 messages from three devices of two people, each sent one to three times, over every transport."""

from __future__ import annotations

import asyncio

import pytest

from tests.conversations.js_devices import js_devices
from tests.conversations.three_devices import MESSAGES, Phone, carry_out, check_outsider, check_received, plan
from tests.harness.service import Service

WEBSOCKET, POLLING, UPGRADE = ("websocket",), ("polling",), ("polling", "websocket")


async def _check(conversation: str, client: list[Phone], trainer: list[Phone], outsider: Phone) -> None:
    messages = await carry_out(conversation, plan([client, trainer]))
    assert [message["seq"] for message in messages] == [*range(1, MESSAGES + 1)]
    assert len({message["id"] for message in messages}) == MESSAGES
    await asyncio.gather(*(check_received(conversation, phone, messages) for phone in (*client, *trainer)))
    await check_outsider(conversation, messages[0]["id"], outsider)


async def _check_store(service: Service, conversation: str) -> None:
    """Nothing but the messages was stored, and no number is missing."""
    entries = await service.store.log.read.between({conversation: (0, 10_000)}, 1000)
    assert [entry.seq for entry in entries] == [*range(1, MESSAGES + 1)]
    assert all(entry.change is None for entry in entries)


@pytest.mark.parametrize(
    ("phone_over", "tablet_over", "other_over"),
    [
        (WEBSOCKET, POLLING, UPGRADE),
        pytest.param(POLLING, UPGRADE, WEBSOCKET, marks=pytest.mark.verify),
        pytest.param(UPGRADE, WEBSOCKET, POLLING, marks=pytest.mark.verify),
    ],
)
async def test_the_python_client(
    service: Service,
    phone_over: tuple[str, ...],
    tablet_over: tuple[str, ...],
    other_over: tuple[str, ...],
) -> None:
    client, trainer, conversation = await service.people.pair()
    outsider = await service.people.make("client")
    async with (
        service.device(client, transports=phone_over) as phone,
        service.device(await service.people.another_device(client), transports=tablet_over) as tablet,
        service.device(trainer, transports=other_over) as other,
        service.device(outsider) as stranger,
    ):
        await _check(conversation, [phone, tablet], [other], stranger)
    await _check_store(service, conversation)


async def test_the_javascript_client(service: Service) -> None:
    client, trainer, conversation = await service.people.pair()
    outsider = await service.people.make("trainer")
    async with js_devices() as devices:
        phone, tablet, other, stranger = await asyncio.gather(
            devices.connect(service.url, client, WEBSOCKET),
            devices.connect(service.url, await service.people.another_device(client), POLLING),
            devices.connect(service.url, trainer, UPGRADE),
            devices.connect(service.url, outsider, UPGRADE),
        )
        await _check(conversation, [phone, tablet], [other], stranger)
        transports = [await each.transport() for each in (phone, tablet, other)]
        assert transports == ["websocket", "polling", "websocket"]
    await _check_store(service, conversation)
