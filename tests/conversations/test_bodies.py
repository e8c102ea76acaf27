"""What a message may say."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conversations.services import Caller, ConversationService
from tests.harness.devices import Data, Refused

FAMILY = "\U0001f468‍\U0001f469‍\U0001f467‍\U0001f466"
FILE = "f" * 24


async def _pair(messaging: ConversationService) -> tuple[Caller, Caller, str]:
    client, trainer, conversation = await messaging.people.pair()
    return messaging.device(client), messaging.device(trainer), conversation


@pytest.mark.parametrize(
    "text",
    [
        "a", "x" * 4000, "🏋" * 4000, "ж" * 4000, FAMILY * 500, " padded ", "\x00", "nul\x00inside", "a\u0301", "​",
        "right\u202eleft", "\U0010ffff", "\ud7ff\ue000", '"}]\\', "\u2028x\u2029", "line\r\nline",
    ],
)  # fmt: skip
async def test_any_words_come_back_as_they_were(messaging: ConversationService, text: str) -> None:
    phone, other, conversation = await _pair(messaging)
    assert (await phone.send(conversation, "m", text))["text"] == text
    assert [event["message"]["text"] for event in (await other.received("message:new"))] == [text]
    (listed,) = (await other.do("message:list", {"conversationId": conversation}))["messages"]
    assert listed["text"] == text
    edited = (await phone.do("message:edit", {"messageId": listed["id"], "text": text + "!"[len(text) // 4000 :]}))
    assert edited["message"]["text"] in (text, text + "!")


@pytest.mark.parametrize("text", ["", " ", "\n\t", "\u00a0\u2003", "\u2028", "x" * 4001, "🏋" * 4001, None, 7, ["x"]])
@pytest.mark.parametrize("event", ["message:send", "message:edit"])
async def test_what_is_refused(messaging: ConversationService, text: object, event: str) -> None:
    phone, other, conversation = await _pair(messaging)
    message = await phone.send(conversation, "m")
    target: Data = {"messageId": message["id"]}
    if event == "message:send":
        target = {"conversationId": conversation, "clientMessageId": "n"}
    with pytest.raises(Refused, match="validation_failed") as refused:
        await phone.do(event, {**target, "text": text})
    assert [error["field"] for error in refused.value.error["errors"]] == ["text"]
    assert len(await other.received("message:new")) == 1
    assert await other.received("message:updated") == []


async def test_a_message_without_anything_is_refused(messaging: ConversationService) -> None:
    phone, _, conversation = await _pair(messaging)
    with pytest.raises(Refused, match="validation_failed"):
        await phone.do("message:send", {"conversationId": conversation, "clientMessageId": "m"})


@pytest.mark.parametrize("field", ["imageUrls", "videoUrls", "pdfUrls"])
@pytest.mark.parametrize("text", [None, "with words"])
async def test_attachments_are_refused_until_there_are_files(
    messaging: ConversationService, field: str, text: str | None
) -> None:
    phone, other, conversation = await _pair(messaging)
    command = {"conversationId": conversation, "clientMessageId": "m", "text": text, field: [FILE]}
    with pytest.raises(Refused, match="validation_failed") as refused:
        await phone.do("message:send", command)
    assert [error["field"] for error in refused.value.error["errors"]] == [f"{field}[0]"]
    assert await other.received("message:new") == []
    sent = await phone.do("message:send", command | {field: [], "text": "words"})
    assert sent["message"][field] == []


@pytest.mark.parametrize("key", ["", "x" * 65, "ключ", "tab\t", "line\n", "\x7f", 7, None])
async def test_what_is_no_client_message_id(messaging: ConversationService, key: object) -> None:
    phone, _, conversation = await _pair(messaging)
    with pytest.raises(Refused, match="validation_failed") as refused:
        await phone.do("message:send", {"conversationId": conversation, "clientMessageId": key, "text": "x"})
    assert [error["field"] for error in refused.value.error["errors"]] == ["clientMessageId"]


@pytest.mark.parametrize("emoji", ["👍", "❤️", "👍🏽", FAMILY, "🏳️‍🌈", "+1", "x" * 32])
async def test_what_is_an_emoji(messaging: ConversationService, emoji: str) -> None:
    phone, other, conversation = await _pair(messaging)
    message = await phone.send(conversation, "m")
    reacted = await other.do("message:react", {"messageId": message["id"], "emoji": emoji})
    assert reacted["message"]["reactions"] == [{"emoji": emoji, "userIds": [other.person.id]}]


@pytest.mark.parametrize("emoji", ["", " ", "👍 ", "x" * 33, "\n", "a\x00", "\u2003", None, 7])
async def test_what_is_none(messaging: ConversationService, emoji: object) -> None:
    phone, other, conversation = await _pair(messaging)
    message = await phone.send(conversation, "m")
    with pytest.raises(Refused, match="validation_failed"):
        await other.do("message:react", {"messageId": message["id"], "emoji": emoji})


async def test_reactions_of_one_person_have_an_end(messaging: ConversationService) -> None:
    phone, other, conversation = await _pair(messaging)
    message = {"messageId": (await phone.send(conversation, "m"))["id"]}
    for n in range(20):
        await other.do("message:react", {**message, "emoji": f"e{n}"})
    with pytest.raises(Refused, match="conflict"):
        await other.do("message:react", {**message, "emoji": "e20"})
    reacted = await phone.do("message:react", {**message, "emoji": "e20"})
    assert len(reacted["message"]["reactions"]) == 21
    again = await other.do("message:react", {**message, "emoji": "e7"})
    assert len(again["message"]["reactions"]) == 21


_ANY_WORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60).filter(str.strip)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(text=_ANY_WORDS)
async def test_whatever_is_typed(messaging: ConversationService, text: str) -> None:
    phone, other, conversation = await _pair(messaging)
    message = await phone.send(conversation, "m", text)
    assert message["text"] == (await other.received("message:new"))[0]["message"]["text"] == text
    assert await phone.send(conversation, "m", text) == message
    found = (await other.do("message:search", {"query": text.strip()[:20]}))["items"]
    assert [each["id"] for each in found] == [message["id"]]
