"""Whatever is wrong with an event, the answer says what would be right."""

from __future__ import annotations

import json

import pytest

from tests.server.sockets.raw import raw_socket
from tests.server.sockets.raw_conversation import RawConversation

LIMIT = "has to be a whole number from 1 to 100"


@pytest.mark.parametrize("value", ["0", "101", "-1", '"abc"', "null", "1.5"])
async def test_a_range_is_said(unchanged: RawConversation, value: str) -> None:
    answer = await unchanged.sender.ask("conversation:list", f'{{"limit":{value}}}', "/conversations")
    assert answer["error"]["errors"] == [{"field": "limit", "message": LIMIT}]
    assert answer["error"]["message"] == f"limit: {LIMIT}."


async def test_every_field_at_fault_is_told_at_once(unchanged: RawConversation) -> None:
    wrong = {"conversationId": "x", "text": 7, "imageUrls": ["y"], "replyTo": {}, "colour": "red"}
    answer = await unchanged.sender.ask("message:send", json.dumps(wrong), "/conversations")
    assert answer["error"]["code"] == "validation_failed"
    told = {error["field"]: error["message"] for error in answer["error"]["errors"]}
    assert told.keys() == {*wrong, "clientMessageId", "imageUrls[0]"} - {"imageUrls"}
    assert told["conversationId"] == "has to be 24 hex digits"
    assert told["clientMessageId"] == "is required"


async def test_what_a_handler_refuses_is_told_with_the_rest(unchanged: RawConversation) -> None:
    span = {"trainerId": unchanged.known["trainerId"].strip('"'), "from": "2026-02-30", "to": "2026-02-31"}
    answer = await unchanged.sender.ask("slots:watch", json.dumps(span), "/bookings")
    assert {error["field"] for error in answer["error"]["errors"]} == {"from", "to"}


@pytest.mark.parametrize(
    ("payload", "code", "words"),
    [
        (r'["message:send",{"text":"\ud83d"}]', "malformed", r"text: holds \ud83d, half of a surrogate pair"),
        (r'["message:send",{"text":"well \udc00 then"}]', "malformed", r"text: holds \udc00, half"),
        (r'["message:send",{"\ud800":1}]', "malformed", r"\ud800: is not a known field"),
        (r'["\ud800",{}]', "malformed", "whole characters"),
        ('["message:send"]', "malformed", "one object"),
        ('["message:send",{},{}]', "malformed", "2 values after its name"),
        ("[]", "malformed", '["name", {…}]'),
        ("[7,{}]", "malformed", "name is no text"),
        ('["message:send",{"text":NaN}]', "malformed", "Not valid JSON: invalid character"),
        ('["message:send","hello"]', "validation_failed", "an object with the fields conversationId, clientMessageId"),
        ('["conversation:list",null]', "validation_failed", "an object with the fields cursor, limit"),
        ('["message:sent",{}]', "unknown_event", "message:send"),
        ('["Message:Send",{}]', "unknown_event", "message:send"),
        ('["zzz",{}]', "unknown_event", "conversation:…"),
        ('["booking:create",{}]', "unknown_event", "is an event of /bookings"),
    ],
)
async def test_an_event_that_is_none(unchanged: RawConversation, payload: str, code: str, words: str) -> None:
    answer = await unchanged.sender.acknowledged(payload, "/conversations")
    assert answer["error"]["code"] == code
    assert words in answer["error"]["message"]
    assert "truncated" not in answer["error"]["message"]


async def test_binary_data_has_a_place_of_its_own(unchanged: RawConversation) -> None:
    async with raw_socket(unchanged.running.url) as raw:
        await raw.connect(unchanged.client.token)
        await raw.send('51-/conversations,7["message:send",{"_placeholder":true,"num":0}]')
        await raw.websocket.send(b"x")
        answer = json.loads("[" + await raw.until("3/conversations,7["))[0]
        assert "POST /v1/files" in answer["error"]["message"]
