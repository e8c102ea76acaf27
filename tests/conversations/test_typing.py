"""``typing`` is told to the other side only, and ends: when told, with the message, by itself, with the socket."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest

import server.sockets.typing
from tests.conversations.services import Caller, ConversationService
from tests.harness.devices import Data, Device, device
from tests.harness.nodes import RunningNode
from tests.harness.people import People, Person
from tests.harness.service import Service

SHORT = 0.15


async def _pair(messaging: ConversationService) -> tuple[Caller, Caller, str]:
    client, trainer, conversation = await messaging.people.pair()
    phone = messaging.device(client)
    await phone.send(conversation, "first")
    return phone, messaging.device(trainer), conversation


async def _type(typist: Caller | Device, conversation: str, active: bool = True) -> None:
    assert await typist.do("typing", {"conversationId": conversation, "active": active}) == {}


def _told(conversation: str, person: Person, *active: bool) -> list[Data]:
    return [{"conversationId": conversation, "userId": person.id, "active": each} for each in active]


async def test_the_other_side_is_told_of_each_change_once(messaging: ConversationService) -> None:
    phone, other, conversation = await _pair(messaging)
    began = time.monotonic()
    for active in (True, True, True, False, False, True, False):
        await _type(phone, conversation, active)
    quick = time.monotonic() - began < server.sockets.typing.PUBLISH_AGAIN_AFTER_SECONDS
    told = await other.received("typing")
    # What was repeated so slowly is said again.
    changes = told if quick else [event for before, event in pairwise([None, *told]) if event != before]
    assert changes == _told(conversation, phone.person, True, False, True, False)
    assert await phone.received("typing") == []


async def test_both_may_type_at_once_and_elsewhere(messaging: ConversationService) -> None:
    phone, other, conversation = await _pair(messaging)
    trainer = await messaging.people.make("trainer")
    another = (await phone.do("conversation:open", {"userId": trainer.id}))["conversation"]["id"]
    await phone.send(another, "first")
    await _type(phone, conversation)
    await _type(other, conversation)
    await _type(phone, another)
    await _type(phone, conversation, active=False)
    assert await other.received("typing") == _told(conversation, phone.person, True, False)
    assert await phone.received("typing") == _told(conversation, other.person, True)
    assert await messaging.device(trainer).received("typing") == _told(another, phone.person, True)
    for typist, where in ((other, conversation), (phone, another)):
        await _type(typist, where, active=False)


async def test_nothing_of_it_is_stored(messaging: ConversationService) -> None:
    phone, _, conversation = await _pair(messaging)
    before = await phone.do("conversation:list")
    await _type(phone, conversation)
    assert await phone.do("conversation:list") == before
    await _type(phone, conversation, active=False)


async def test_sending_the_message_ends_it(messaging: ConversationService) -> None:
    phone, other, conversation = await _pair(messaging)
    await _type(phone, conversation)
    await phone.send(conversation, "m")
    names = [name for name, _ in await other.told()]
    assert names == ["conversation:new", "message:new", "typing", "message:new", "typing"]
    assert await other.received("typing") == _told(conversation, phone.person, True, False)
    await phone.send(conversation, "n")
    assert len(await other.received("typing")) == 2


async def test_a_refused_message_does_not_end_it(messaging: ConversationService) -> None:
    phone, other, conversation = await _pair(messaging)
    await _type(phone, conversation)
    await phone.ask("message:send", {"conversationId": conversation, "clientMessageId": "m", "text": " "})
    assert await other.received("typing") == _told(conversation, phone.person, True)
    await _type(phone, conversation, active=False)


def test_it_lasts_as_long_as_is_promised() -> None:
    assert server.sockets.typing.ENDS_AFTER_SECONDS == 7


async def test_it_ends_by_itself(running: RunningNode, people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server.sockets.typing, "ENDS_AFTER_SECONDS", SHORT)
    client, trainer, conversation = await people.pair(begun=True)
    async with device(running.url, client) as phone, device(running.url, trainer) as other:
        await _type(phone, conversation)
        assert await other.receive("typing", 2) == _told(conversation, client, True, False)
        assert phone.events("typing") == []


async def test_typing_on_extends_it(running: RunningNode, people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    client, trainer, conversation = await people.pair(begun=True)
    marker, marked, elsewhere = await people.pair(begun=True)
    async with (
        device(running.url, client) as phone,
        device(running.url, trainer) as other,
        device(running.url, marker) as clock,
        device(running.url, marked) as watch,
    ):
        monkeypatch.setattr(server.sockets.typing, "PUBLISH_AGAIN_AFTER_SECONDS", 600.0)
        monkeypatch.setattr(server.sockets.typing, "ENDS_AFTER_SECONDS", 2.0)
        await _type(phone, conversation)
        await _type(clock, elsewhere)
        monkeypatch.setattr(server.sockets.typing, "ENDS_AFTER_SECONDS", 600.0)
        await _type(phone, conversation)
        # What began later and was not extended has ended; this has not. The next extension is as short as any.
        assert await watch.receive("typing", 2) == _told(elsewhere, marker, True, False)
        await other.do("conversation:list")
        assert other.events("typing") == _told(conversation, client, True)
        monkeypatch.setattr(server.sockets.typing, "ENDS_AFTER_SECONDS", SHORT)
        await _type(phone, conversation)
        assert await other.receive("typing", 2) == _told(conversation, client, True, False)


async def test_typing_on_is_told_now_and_then(
    running: RunningNode, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In case another node has said that it ended, where a device of the same person left."""
    monkeypatch.setattr(server.sockets.typing, "PUBLISH_AGAIN_AFTER_SECONDS", 0.0)
    client, trainer, conversation = await people.pair(begun=True)
    async with device(running.url, client) as phone, device(running.url, trainer) as other:
        await _type(phone, conversation)
        await _type(phone, conversation)
        assert await other.receive("typing", 2) == _told(conversation, client, True, True)


async def test_it_ends_with_the_last_socket(running: RunningNode, people: People) -> None:
    client, trainer, conversation = await people.pair(begun=True)
    async with device(running.url, trainer) as other:
        async with device(running.url, client) as phone:
            async with device(running.url, await people.another_device(client)):
                await _type(phone, conversation)
            # One device is gone, but not the last.
            await other.do("conversation:list")
            await phone.do("conversation:list")
            assert other.events("typing") == _told(conversation, client, True)
        assert await other.receive("typing", 2) == _told(conversation, client, True, False)
    assert not running.node.typing._active


async def test_an_outsider_receives_nothing(service: Service) -> None:
    client, trainer, conversation = await service.people.pair(begun=True)
    outsider = await service.people.make("trainer")
    async with (
        service.device(client) as phone,
        service.device(trainer) as other,
        service.device(outsider) as stranger,
    ):
        await _type(phone, conversation)
        await other.receive("typing")
        await _type(phone, conversation, active=False)
        await other.receive("typing", 2)
        await stranger.do("conversation:list")
        assert stranger.received == phone.received == []
