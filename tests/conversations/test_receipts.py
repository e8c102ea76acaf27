"""``conversation:seen`` and ``conversation:delivered``: forward only, clamped, told to both sides and nobody else."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from store.database import Database
from tests.conversations.services import Caller, ConversationService, OneNodeService
from tests.harness.devices import Data, Refused
from tests.harness.service import Service

MESSAGES = 5


async def _talk(messaging: ConversationService) -> tuple[Caller, Caller, str]:
    """The client has said five things to the trainer."""
    client, trainer, conversation = await messaging.people.pair()
    phone, other = messaging.device(client), messaging.device(trainer)
    for number in range(MESSAGES):
        await phone.send(conversation, str(number))
    return phone, other, conversation


async def _mark(device: Caller, conversation: str, kind: str, seq: int) -> None:
    assert await device.do(f"conversation:{kind}", {"conversationId": conversation, "seq": seq}) == {}


async def _told(device: Caller) -> list[tuple[str, int]]:
    """The receipts that a device received."""
    receipts = ("conversation:seen", "conversation:delivered")
    return [
        (name.removeprefix("conversation:"), data["seq"])
        for name, data in await device.told()
        if name in receipts
    ]


async def _marks(device: Caller, of: Caller) -> tuple[int, int]:
    """The watermarks of one, as the other's list tells them: (seen, delivered)."""
    (item,) = (await device.do("conversation:list"))["items"]
    (who,) = (who for who in item["participants"] if who["userId"] == of.person.id)
    return who["seenSeq"], who["deliveredSeq"]


@pytest.mark.parametrize(
    ("steps", "told", "marks"),
    [
        ([("delivered", 3)], [("delivered", 3)], (0, 3)),
        ([("seen", 3)], [("delivered", 3), ("seen", 3)], (3, 3)),
        ([("delivered", 3), ("seen", 2)], [("delivered", 3), ("seen", 2)], (2, 3)),
        ([("delivered", 3), ("delivered", 2), ("delivered", 3)], [("delivered", 3)], (0, 3)),
        ([("seen", 3), ("seen", 1), ("delivered", 2), ("seen", 3)], [("delivered", 3), ("seen", 3)], (3, 3)),
        ([("seen", 99)], [("delivered", 5), ("seen", 5)], (5, 5)),
        ([("delivered", 2**53 - 1), ("seen", 0)], [("delivered", 5)], (0, 5)),
        ([("seen", 0), ("delivered", 0)], [], (0, 0)),
    ],
)
async def test_forward_only_and_no_further_than_the_head(
    messaging: ConversationService, steps: list[tuple[str, int]], told: list[tuple[str, int]], marks: tuple[int, int]
) -> None:
    phone, other, conversation = await _talk(messaging)
    for kind, seq in steps:
        await _mark(other, conversation, kind, seq)
    assert await _told(phone) == await _told(other) == told
    assert await _marks(phone, other) == await _marks(other, other) == marks
    assert await _marks(phone, phone) == (0, 0)


async def test_a_receipt_names_its_reader(messaging: ConversationService) -> None:
    phone, other, conversation = await _talk(messaging)
    await _mark(other, conversation, "seen", 2)
    expected = {"conversationId": conversation, "userId": other.person.id, "seq": 2}
    for name in ("conversation:seen", "conversation:delivered"):
        assert await phone.received(name) == await other.received(name) == [expected]


async def test_seen_messages_say_so_to_both(messaging: ConversationService) -> None:
    phone, other, conversation = await _talk(messaging)
    await _mark(other, conversation, "seen", 3)
    # One's own mark says nothing of one's own messages.
    await _mark(phone, conversation, "seen", 5)
    for each in (phone, other):
        listed = (await each.do("message:list", {"conversationId": conversation}))["messages"]
        assert [message["seen"] for message in listed] == [True, True, True, False, False]


async def test_marks_of_two_nodes_add_up(messaging: ConversationService) -> None:
    phone, other, conversation = await _talk(messaging)
    elsewhere = messaging.another().device(other.person)
    await _mark(other, conversation, "seen", 1)
    await _mark(elsewhere, conversation, "seen", 4)
    await _mark(other, conversation, "seen", 2)
    await _mark(other, conversation, "delivered", 5)
    assert await _marks(phone, other) == (4, 5)
    assert await _marks(elsewhere, other) == (4, 5)


async def test_many_at_once_end_at_the_highest(shared_database: Database) -> None:
    stages = [OneNodeService(shared_database) for _ in range(2)]
    phone, other, conversation = await _talk(stages[0])
    devices = [messaging.device(other.person) for messaging in stages for _ in range(3)]
    marking = [
        _mark(device, conversation, kind, seq)
        for seq in (4, 2, 5, 1, 3)
        for device in devices
        for kind in ("delivered", "seen")
    ]
    await asyncio.gather(*marking)
    assert await _marks(phone, other) == (5, 5)
    told = [await _told(messaging.device(phone.person)) for messaging in stages]
    for kind in ("seen", "delivered"):
        ways = [[seq for name, seq in each if name == kind] for each in told]
        assert all(way == sorted(set(way)) for way in ways)
        assert max(seq for way in ways for seq in way) == 5


async def test_every_device_receives_the_highest(messaging: ConversationService) -> None:
    phone, other, conversation = await _talk(messaging)
    devices = [each.device(other.person) for each in (messaging, messaging.another()) for _ in range(3)]
    marking = [
        _mark(device, conversation, kind, seq)
        for seq in (4, 2, 5, 1, 3)
        for device in devices
        for kind in ("delivered", "seen")
    ]
    await asyncio.gather(*marking)
    assert await _marks(phone, other) == await _marks(other, other) == (5, 5)
    for each in (phone, other):
        told = await _told(each)
        assert {kind: max(seq for name, seq in told if name == kind) for kind in ("seen", "delivered")} == {
            "seen": 5,
            "delivered": 5,
        }


async def test_every_device_of_both_receives_it_and_no_outsider(service: Service) -> None:
    client, trainer, conversation = await service.people.pair()
    outsider = await service.people.make("client")
    async with (
        service.device(client) as phone,
        service.device(trainer) as other,
        service.device(await service.people.another_device(trainer)) as tablet,
        service.device(outsider) as stranger,
    ):
        await phone.send(conversation, "m")
        await other.do("conversation:seen", {"conversationId": conversation, "seq": 1})
        expected: list[Data] = [{"conversationId": conversation, "userId": trainer.id, "seq": 1}]
        for each in (phone, other, tablet):
            assert await each.receive("conversation:seen") == expected
            assert await each.receive("conversation:delivered") == expected
        await stranger.do("conversation:list")
        assert stranger.received == []


async def test_a_change_tells_what_was_seen_while_it_was_made(messaging: ConversationService) -> None:
    """``message:updated`` carries the whole message: it must not take a receipt back that was told before it."""
    phone, other, conversation = await _talk(messaging)
    messages = (await phone.do("message:list", {"conversationId": conversation}))["messages"]
    steps = [
        phone.do("message:edit", {"messageId": message["id"], "text": f"{n}"})
        for message in messages
        for n in range(3)
    ]
    steps += [
        other.do("conversation:seen", {"conversationId": conversation, "seq": seq}) for seq in range(1, MESSAGES + 1)
    ]
    Random(1).shuffle(steps)
    await asyncio.gather(*steps)
    seen = 0
    for name, data in await phone.told():
        if name == "conversation:seen":
            seen = data["seq"]
        elif name == "message:updated":
            assert data["message"]["seen"] is (data["message"]["seq"] <= seen), (data["message"]["seq"], seen)


@pytest.mark.parametrize("kind", ["seen", "delivered"])
@pytest.mark.parametrize("seq", [-1, 1.5, "1", None, True, 2**53, [1]])
async def test_what_is_refused(messaging: ConversationService, kind: str, seq: object) -> None:
    client, _, conversation = await messaging.people.pair()
    with pytest.raises(Refused, match="validation_failed"):
        await messaging.device(client).do(f"conversation:{kind}", {"conversationId": conversation, "seq": seq})
