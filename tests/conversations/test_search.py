"""``message:search``: one's own messages, by what they say, as it was typed."""

from __future__ import annotations

import pytest
from bson import ObjectId

from tests.conversations.services import Caller, ConversationService
from tests.harness.devices import Data, Refused
from tests.store.writing import a_change, abandon


async def _texts(caller: Caller, query: str, **more: object) -> list[str]:
    found = await caller.do("message:search", {"query": query, **more})
    return [message["text"] for message in found["items"]]


async def _pair(messaging: ConversationService, *texts: str) -> tuple[Caller, Caller, str, list[Data]]:
    client, trainer, conversation = await messaging.people.pair()
    caller = messaging.device(client)
    messages = [await caller.send(conversation, f"m{n}", text) for n, text in enumerate(texts)]
    return caller, messaging.device(trainer), conversation, messages


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("Leg Day at NINE", "leg day"),
        ("Leg Day at NINE", "nine"),
        ("Über den Fluß", "ÜBER"),
        ("ПРИВЕТ", "привет"),
        ("tomorrow 🏋️ at six", "🏋️"),
        ("a  b", "a  b"),
        ("#core & ~abs-1", "#CORE & ~abs-1"),
        ("line one\nline two", "one\nline"),
        # Composed and decomposed, accents, full width, ligatures.
        ("Cre\u0300me", "Crème"), ("Crème", "Cre\u0300me"), ("Café", "cafe"), ("cafe", "CAFÉ"),
        ("ｔｏｋｙｏ ２４", "Tokyo 24"), ("oﬃce", "OFFICE"), ("ﾄﾚｰﾆﾝｸﾞ", "トレーニング"), ("Việt Nam", "viet nam"),
        # Typographic signs.
        ("Don\u2019t", "Don't"), ("Don't", "don\u2019t"), ("don\u2019t", "dont"), ("l\u00b4été", "l'ete"),
        ("\u201cso\u201d \u2013 so\u2026", '"SO" - so...'),
        # Final sigma, letters that have no decomposition, marks of other scripts, what is not seen.
        ("Ὀδυσσεύς", "οδυσσευσ"), ("Ёлка", "елка"), ("Łódź", "lodz"), ("Straße", "STRASSE"), ("مُحَمَّد", "محمد"),
        ("🏋️ six", "🏋 six"), ("نیک‌پی", "نیکپی"), ("shy\u00adness", "shyness"),
        # Parts of words.
        ("東京體育館", "體育"), ("한국어", "국어"), ("योग दिल्ली", "दिल्ली"),
    ],
)  # fmt: skip
async def test_whatever_its_spelling(messaging: ConversationService, text: str, query: str) -> None:
    caller, other, _, _ = await _pair(messaging, text, "something else")
    assert await _texts(caller, query) == [text]
    assert await _texts(other, query) == [text]


@pytest.mark.parametrize(
    "query", [".*", "a|b", "^a", "a$", "(", "[a-z]", "a{1}", "\\", "\\d", "a?", "+", "$where", "$$a"]
)
async def test_characters_of_patterns_mean_themselves(messaging: ConversationService, query: str) -> None:
    caller, _, _, _ = await _pair(messaging, "a", "b", "aa", f"<{query}>")
    assert await _texts(caller, query) == [f"<{query}>"]


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("कि", "की"), ("क", "कि"), ("กิน", "กีน"), ("がく", "かく"), ("한국", "하"), ("体", "體"),
        ("кл", "ел"), ("ab", "a b"), ("=", "≠"),
    ],
)  # fmt: skip
async def test_letters_of_their_own_are_told_apart(messaging: ConversationService, text: str, query: str) -> None:
    caller, _, _, _ = await _pair(messaging, text)
    assert await _texts(caller, query) == []
    assert await _texts(caller, text) == [text]


@pytest.mark.parametrize("query", ["'", "\u2019\u2019", "\u0640"])
async def test_what_has_no_spelling_is_found_nowhere(messaging: ConversationService, query: str) -> None:
    caller, _, _, _ = await _pair(messaging, f"a {query} b")
    assert await caller.do("message:search", {"query": query}) == {"items": [], "nextCursor": None}


@pytest.mark.parametrize("query", ["a\x00b", "\x07", "six\x9f"])
async def test_controls_are_refused_as_in_every_text(messaging: ConversationService, query: str) -> None:
    caller, _, _, _ = await _pair(messaging, "a six b")
    with pytest.raises(Refused, match="validation_failed") as refused:
        await caller.do("message:search", {"query": query})
    assert [error["field"] for error in refused.value.error["errors"]] == ["query"]


async def test_what_earlier_versions_wrote_is_found(messaging: ConversationService) -> None:
    """They stored no spelling, and left it as it was when a message was edited."""
    caller, _, _, (old, edited, _) = await _pair(messaging, "Café au lait", "Crêpe", "cafe noir")
    messages = messaging.store.database.collection("messages")
    await messages.update_one({"_id": ObjectId(old["id"])}, {"$unset": {"spelling": ""}})
    await messages.update_one({"_id": ObjectId(edited["id"])}, {"$set": {"text": "Das Café", "editSeq": 9}})
    assert await _texts(caller, "CAFE") == ["cafe noir", "Das Café", "Café au lait"]
    assert await _texts(caller, "crepe") == []


async def test_an_edit_that_is_not_applied_yet_counts(messaging: ConversationService) -> None:
    caller, _, _, (first, second) = await _pair(messaging, "squats", "lunges")
    for message, text in ((first, "Crème"), (second, "planks")):
        found = await messaging.store.log.read.message(message["id"])
        assert found is not None
        await abandon(messaging.store.database, a_change(found, "edit", seq=found.seq + 10, text=text))
    assert await _texts(caller, "creme") == ["Crème"]
    assert await _texts(caller, "lunges") == []


async def test_an_edited_message_is_found_by_its_new_words_only(messaging: ConversationService) -> None:
    caller, _, _, (message,) = await _pair(messaging, "squats")
    await caller.do("message:edit", {"messageId": message["id"], "text": "lunges"})
    assert await _texts(caller, "squats") == []
    assert await _texts(caller, "lunges") == ["lunges"]


async def test_a_deleted_message_is_not_found(messaging: ConversationService) -> None:
    caller, other, _, (message, _) = await _pair(messaging, "push-ups", "pull-ups")
    await caller.do("message:edit", {"messageId": message["id"], "text": "press-ups"})
    await caller.do("message:delete", {"messageId": message["id"]})
    for device in (caller, other):
        assert await _texts(device, "ups") == ["pull-ups"]


async def test_only_in_ones_own_conversations(messaging: ConversationService) -> None:
    caller, other, conversation, _ = await _pair(messaging, "planks")
    stranger, _, elsewhere, _ = await _pair(messaging, "planks too")
    assert await _texts(caller, "planks") == await _texts(other, "planks") == ["planks"]
    assert await _texts(stranger, "planks") == ["planks too"]
    assert await _texts(stranger, "planks", conversationId=elsewhere) == ["planks too"]
    with pytest.raises(Refused, match="not_found"):
        await _texts(stranger, "planks", conversationId=conversation)


async def test_in_one_conversation_or_in_all(messaging: ConversationService) -> None:
    caller, _, conversation, _ = await _pair(messaging, "run one")
    trainer = await messaging.people.make("trainer")
    another = (await caller.do("conversation:open", {"userId": trainer.id}))["conversation"]["id"]
    await caller.send(another, "m", "run two")
    assert await _texts(caller, "run") == ["run two", "run one"]
    assert await _texts(caller, "run", conversationId=conversation) == ["run one"]
    assert await _texts(caller, "run", conversationId=another) == ["run two"]


@pytest.mark.parametrize("limit", [1, 3, 7, 8])
async def test_pages_newest_first(messaging: ConversationService, limit: int) -> None:
    caller, _, _, messages = await _pair(messaging, *(f"row {n}" for n in range(7)))
    found: list[str] = []
    cursor = None
    while True:
        more: Data = {"cursor": cursor} if cursor else {}
        page = await caller.do("message:search", {"query": "ROW", "limit": limit, **more})
        assert len(page["items"]) <= limit
        found += [message["id"] for message in page["items"]]
        cursor = page["nextCursor"]
        if cursor is None:
            break
    assert found == [message["id"] for message in reversed(messages)]


async def test_it_tells_what_was_seen(messaging: ConversationService) -> None:
    caller, other, conversation, _ = await _pair(messaging, "burpees")
    await other.do("conversation:seen", {"conversationId": conversation, "seq": 1})
    (message,) = (await caller.do("message:search", {"query": "burpees"}))["items"]
    assert message["seen"]


@pytest.mark.parametrize(
    "command",
    [
        {"query": ""}, {"query": " \t"}, {"query": "\u200b\u2800\x00"}, {"query": "x" * 201},
        {"query": "x", "cursor": "nonsense"}, {},
    ],
)  # fmt: skip
async def test_what_is_refused(messaging: ConversationService, command: Data) -> None:
    caller = messaging.device(await messaging.people.make("client"))
    with pytest.raises(Refused, match="validation_failed"):
        await caller.do("message:search", command)
