"""Clients that poll, and clients that poll until they have a WebSocket, converse like any other."""

from __future__ import annotations

import asyncio

from tests.harness.devices import Device
from tests.harness.service import Service

# One, two, three and four bytes each, up to the limit of 4,000 characters with room to spare.
TEXT = ("aß€😀" * 975)[:3900]


async def test_a_client_that_only_polls_converses(service: Service) -> None:
    client, trainer, conversation = await service.people.pair()
    async with (
        service.device(client, transports=["polling"]) as phone,
        service.device(trainer, transports=["websocket"]) as other,
    ):
        assert phone.io.transport() == "polling"
        sent = [await phone.send(conversation, f"a{n}", TEXT) for n in range(5)]
        answered = [await other.send(conversation, f"b{n}", f"answer {n}") for n in range(5)]
        received = await phone.receive("message:new", 10)
        assert [event["seq"] for event in received] == list(range(1, 11))
        assert [event["message"] for event in received] == sent + answered
        assert await other.receive("message:new", 10) == received
        await phone.do("conversation:seen", {"conversationId": conversation, "seq": 10})
        assert (await other.receive("conversation:seen"))[0]["seq"] == 10
        again = await asyncio.gather(*(phone.send(conversation, f"a{n}", TEXT) for n in range(5)))
        assert [message["id"] for message in again] == [message["id"] for message in sent]


async def test_a_client_that_moves_to_a_websocket_loses_nothing(service: Service) -> None:
    client, trainer, conversation = await service.people.pair()
    async with service.device(trainer) as other:
        sending = asyncio.create_task(send_all(other, conversation))
        async with service.device(client, transports=["polling", "websocket"]) as phone:
            assert phone.io.transport() == "websocket"
            await phone.send(conversation, "mine", TEXT)
            await sending
            mine = (await phone.do("sync", {"cursors": {conversation: 0}, "limit": 500}))["conversations"][0]
            assert [entry["seq"] for entry in mine["entries"]] == list(range(1, 102))
            # What ``sync`` reads may be ahead of what is on its way from the other process.
            await phone.until(lambda device: 101 in sequence(device))
            received = sequence(phone)
            assert received == list(range(received[0], 102))


def sequence(device: Device) -> list[int]:
    return [event["seq"] for event in device.events("message:new")]


async def send_all(other: Device, conversation: str) -> None:
    for n in range(100):
        await other.send(conversation, f"t{n}", "x")
