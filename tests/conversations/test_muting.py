"""``conversation:mute``: one's own affair, until an instant, until further notice, or no longer."""

from __future__ import annotations

import pytest

from tests.conversations.services import Caller, ConversationService
from tests.harness.devices import Data, Refused

FOREVER = "9999-12-31T00:00:00.000Z"


async def _pair(messaging: ConversationService) -> tuple[Caller, Caller, Data]:
    client, trainer, conversation = await messaging.people.pair()
    return messaging.device(client), messaging.device(trainer), {"conversationId": conversation}


async def _muted(device: Caller) -> str | None:
    (item,) = (await device.do("conversation:list"))["items"]
    (told,) = (await device.do("sync", {"cursors": {item["id"]: 0}}))["conversations"]
    assert told["conversation"]["mutedUntil"] == item["mutedUntil"]
    muted: str | None = item["mutedUntil"]
    return muted


async def test_until_further_notice_and_no_longer(messaging: ConversationService) -> None:
    phone, other, named = await _pair(messaging)
    assert await phone.do("conversation:mute", named) == {}
    assert (await _muted(phone), await _muted(other)) == (FOREVER, None)
    assert await phone.do("conversation:mute", {**named, "until": None}) == {}
    assert (await _muted(phone), await _muted(other)) == (None, None)
    assert await other.told() == []


async def test_one_s_devices_are_told_and_nobody_else(messaging: ConversationService) -> None:
    phone, other, named = await _pair(messaging)
    tablet = messaging.another().device(phone.person)
    for until in ({}, {"until": None}, {"until": None}, {"until": "2026-12-24T18:00:00+02:00"}, {"until": FOREVER}):
        await phone.do("conversation:mute", {**named, **until})
    expected = [
        {**named, "mutedUntil": until} for until in (FOREVER, None, "2026-12-24T16:00:00.000Z", FOREVER)
    ]
    for device in (phone, tablet):
        assert await device.received("conversation:muted") == expected
    assert await other.told() == []


@pytest.mark.parametrize(
    ("until", "muted"),
    [
        ("2126-12-24T18:00:00Z", "2126-12-24T18:00:00.000Z"),
        ("2126-12-24T18:00:00.123Z", "2126-12-24T18:00:00.123Z"),
        ("2126-12-24T18:00:00+02:00", "2126-12-24T16:00:00.000Z"),
    ],
)
async def test_until_an_instant(messaging: ConversationService, until: str, muted: str) -> None:
    phone, other, named = await _pair(messaging)
    await phone.do("conversation:mute", {**named, "until": until})
    assert (await _muted(phone), await _muted(other)) == (muted, None)


@pytest.mark.parametrize(
    "until",
    ["", "tomorrow", "2126-12-24", "2126-12-24T18:00:00", "2126-13-01T00:00:00Z", 7, {}, "2020-01-01T00:00:00Z"],
)
async def test_what_is_no_instant_to_come(messaging: ConversationService, until: object) -> None:
    phone, _, named = await _pair(messaging)
    with pytest.raises(Refused, match="validation_failed") as refused:
        await phone.do("conversation:mute", {**named, "until": until})
    assert [error["field"] for error in refused.value.error["errors"]] == ["until"]
    assert await _muted(phone) is None


async def test_messages_still_arrive(messaging: ConversationService) -> None:
    phone, other, named = await _pair(messaging)
    await phone.do("conversation:mute", named)
    await other.send(named["conversationId"], "m")
    assert len(await phone.received("message:new")) == 1
    (item,) = (await phone.do("conversation:list"))["items"]
    assert (item["unread"], item["mutedUntil"]) == (1, FOREVER)


async def test_a_repeat_under_its_key_mutes_once(messaging: ConversationService) -> None:
    phone, _, named = await _pair(messaging)
    keyed = {**named, "idempotencyKey": "mute"}
    assert await phone.do("conversation:mute", keyed) == {}
    await phone.do("conversation:mute", {**named, "until": None})
    assert await phone.do("conversation:mute", keyed) == {}
    assert await _muted(phone) is None
    with pytest.raises(Refused, match="idempotency_conflict"):
        await phone.do("conversation:mute", {**keyed, "until": None})
