"""What a message may say."""

from __future__ import annotations

import pytest
from bson import ObjectId
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conversations.services import Caller, ConversationService
from tests.harness.devices import Data, Refused

FAMILY = "\U0001f468‍\U0001f469‍\U0001f467‍\U0001f466"
FILE = "f" * 24
# Of which nothing is seen: ignorable characters, fillers, the empty braille pattern, and mixtures.
NOTHING_SHOWN = [
    "\u200b", "\u2060", "\u3164", "\u2800", "\ufe0f", "\U000e0041", "\u00ad", "\u034f", "\u115f", "\u17b4", "\u180b",
    "\u200e", "\u202e", "\u2066", "\uffa0", "\ufeff", "\U0001d173", "\u2800 \u200b\n\ufe0f",
]  # fmt: skip
CONTROLS = "\x00\x07\x0b\x0c\x1b\x1f\x7f\x80\x85\x9f"


async def _pair(messaging: ConversationService) -> tuple[Caller, Caller, str]:
    client, trainer, conversation = await messaging.people.pair()
    return messaging.device(client), messaging.device(trainer), conversation


@pytest.mark.parametrize(
    "text",
    [
        "a", "x" * 4000, "🏋" * 4000, "ж" * 4000, FAMILY * 500, " padded ", "a\u0301", "a\u200bb", "\u2066a\u2069", "⠟",
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


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "\n\t", "\u00a0\u2003", "\u2028", "x" * 4001, "🏋" * 4001, None, 7, ["x"], *NOTHING_SHOWN,
        *(f"a{control}b" for control in CONTROLS),
    ],
)  # fmt: skip
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


async def _react(caller: Caller, message: Data, emoji: object, **more: object) -> list[Data]:
    command = {"messageId": message["id"], "emoji": emoji, **more}
    reactions: list[Data] = (await caller.do("message:react", command))["message"]["reactions"]
    return reactions


@pytest.mark.parametrize(
    "emoji",
    [
        "👍", "❤️", "👍🏽", FAMILY, "🏳️‍🌈", "🇺🇦", "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f", "1️⃣",
        "#️⃣", "👩🏻‍❤️‍💋‍👨🏿", "🧑🏽‍🦽‍➡️", "©️", "🏽",
    ],
)  # fmt: skip
async def test_what_is_an_emoji(messaging: ConversationService, emoji: str) -> None:
    phone, other, conversation = await _pair(messaging)
    message = await phone.send(conversation, "m")
    reactions = [{"emoji": emoji, "userIds": [other.person.id]}]
    assert await _react(other, message, emoji) == reactions
    # Without the selectors it is the same one.
    assert await _react(other, message, emoji.replace("\ufe0f", "")) == reactions
    assert len(await phone.received("message:updated")) == 1
    assert await _react(other, message, emoji.replace("\ufe0f", ""), remove=True) == []


async def test_spellings_of_an_emoji_are_one(messaging: ConversationService) -> None:
    phone, other, conversation = await _pair(messaging)
    message = await phone.send(conversation, "m")
    await _react(phone, message, "\U0001f44d")
    assert await _react(other, message, "\U0001f44d\ufe0f") == [
        {"emoji": "\U0001f44d", "userIds": [phone.person.id, other.person.id]}
    ]
    assert len(await _react(other, message, "\U0001f44d\U0001f3fd")) == 2


@pytest.mark.parametrize(
    "emoji",
    [
        "", " ", "👍 ", "x" * 33, "\n", "a\x00", "\u2003", None, 7, "abc", "é", ":+1:", "+1", "👍👍", "👍❤️", "🇺", "🇺🇦🇺",
        "🇽🇾", "\u200b", "\ufe0f", "\ufe0f👍", "❤\ufe0f\ufe0f", "❤\ufe0e", "1", "#", "\u200d", FAMILY + "\u200d",
        "a\u20e3", "🏴\U000e0067", "\u2800",
    ],
)  # fmt: skip
async def test_what_is_none(messaging: ConversationService, emoji: object) -> None:
    phone, other, conversation = await _pair(messaging)
    message = await phone.send(conversation, "m")
    for more in ({}, {"remove": True}):
        with pytest.raises(Refused, match="validation_failed") as refused:
            await _react(other, message, emoji, **more)
        assert [error["field"] for error in refused.value.error["errors"]] == ["emoji"]


async def test_what_earlier_versions_took_is_shown_and_can_be_taken_off(messaging: ConversationService) -> None:
    phone, other, conversation = await _pair(messaging)
    message = await phone.send(conversation, "m")
    mine, hers = (ObjectId(one.person.id) for one in (phone, other))
    stored = [("abc", mine), ("👍", mine), ("👍\ufe0f", mine), ("👍\ufe0f", hers), ("❤", hers)]
    marks = [{"emoji": emoji, "userId": user, "seq": 1, "on": True} for emoji, user in stored]
    messages = messaging.store.database.collection("messages")
    await messages.update_one({"_id": ObjectId(message["id"])}, {"$set": {"reactions": marks}})
    (shown,) = (await other.do("message:list", {"conversationId": conversation}))["messages"]
    assert shown["reactions"] == [
        {"emoji": "abc", "userIds": [phone.person.id]},
        {"emoji": "👍", "userIds": [phone.person.id, other.person.id]},
        {"emoji": "❤️", "userIds": [other.person.id]},
    ]
    assert await _react(phone, message, "abc", remove=True) == shown["reactions"][1:]
    assert await _react(phone, message, "👍\ufe0f", remove=True) == [
        {"emoji": "👍", "userIds": [other.person.id]}, shown["reactions"][2]
    ]  # fmt: skip
    assert await _react(other, message, "❤️", remove=True) == [{"emoji": "👍", "userIds": [other.person.id]}]
    with pytest.raises(Refused, match="validation_failed"):
        await _react(other, message, "abc")


async def test_one_person_s_reactions_leave_the_other_their_own(messaging: ConversationService) -> None:
    phone, other, conversation = await _pair(messaging)
    message = await phone.send(conversation, "m")
    emoji = [chr(0x1F600 + n) for n in range(21)]
    for one in emoji[:20]:
        await _react(other, message, one)
    with pytest.raises(Refused, match="conflict"):
        await _react(other, message, emoji[20])
    for one in emoji[20:]:
        assert len(await _react(phone, message, one)) == 21
    for one in emoji[:19]:
        assert len(await _react(phone, message, one)) == 21
    assert len(await _react(other, message, emoji[7])) == 21


_ANY_WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from("\t\r\n"), max_size=60).map(
    lambda text: f"{text}."
)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(text=_ANY_WORDS)
async def test_whatever_is_typed(messaging: ConversationService, text: str) -> None:
    phone, other, conversation = await _pair(messaging)
    message = await phone.send(conversation, "m", text)
    assert message["text"] == (await other.received("message:new"))[0]["message"]["text"] == text
    assert await phone.send(conversation, "m", text) == message
    found = (await other.do("message:search", {"query": text.strip()[:20]}))["items"]
    assert [each["id"] for each in found] == [message["id"]]
