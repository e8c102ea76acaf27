"""Events whose arguments are not one object that JSON knows, and events that do not exist."""

from __future__ import annotations

import json

import pytest

from domain.wire.base import Command
from domain.wire.events import NAMESPACES
from tests.harness.call_gates import CallGate
from tests.harness.nodes import RunningNode
from tests.harness.people import People
from tests.server.sockets.invalid_values import DEEP, NESTED, as_object, fitting
from tests.server.sockets.raw import raw_socket
from tests.server.sockets.raw_conversation import RawConversation
from tests.server.sockets.refusals import assert_refused
from tests.server.sockets.rows import every_command

SHAPELESS = frozenset({"malformed"})
INVALID = frozenset({"validation_failed"})
BROKEN = SHAPELESS | INVALID

NO_OBJECT = {
    '"a string"': INVALID,
    "7": INVALID,
    "true": INVALID,
    "null": INVALID,
    "[]": INVALID,
    '[{"conversationId":"x"}]': INVALID,
    '{"$ne":null}': INVALID,
    "NaN": SHAPELESS,
    "Infinity": SHAPELESS,
    "-Infinity": SHAPELESS,
    '{"limit":NaN}': BROKEN,
    "{": SHAPELESS,
    '{"a" 1}': SHAPELESS,
    "{'a':1}": SHAPELESS,
    '{"a":1,}': BROKEN,
    "undefined": SHAPELESS,
    "9" * 5000: INVALID,
    "1e400": INVALID,
    r'"\ud800"': BROKEN,
    r'{"\ud800":1}': BROKEN,
    NESTED: BROKEN,
    '{"a":' * DEEP + "1" + "}" * DEEP: BROKEN,
}

NO_EVENTS = (
    *("nonsense", "", "message", "MESSAGE:SEND", "message:send ", "message:new", "auth:expiring", "x" * 100_000, "é"),
    *("connect", "disconnect", "connect_error", "error", "newListener", "removeListener", "*", "__proto__"),
)


@every_command
async def test_what_is_no_object(
    unchanged: RawConversation, namespace: str, event: str, command: type[Command]
) -> None:
    before = await unchanged.contents()
    for argument, codes in NO_OBJECT.items():
        assert_refused(await unchanged.sender.ask(event, argument, namespace), codes)
    assert await unchanged.contents() == before
    await unchanged.assert_nothing_sent()


@every_command
async def test_no_argument_or_several(
    unchanged: RawConversation, namespace: str, event: str, command: type[Command]
) -> None:
    good, before = as_object(fitting(command, unchanged.known)), await unchanged.contents()
    for arguments in ("", f",{good},{good}", f",{good},null", f',{good},"ack"', ",{}" * 100, f",null,{good}"):
        answer = await unchanged.sender.acknowledged(f'["{event}"{arguments}]', namespace)
        assert_refused(answer, SHAPELESS)
    for payload in (f'["{event}",{good}', f'["{event}",{good}]]', f'["{event}",{good}] {{}}', f'["{event}"{good}]'):
        assert_refused(await unchanged.sender.acknowledged(payload, namespace), SHAPELESS)
    assert await unchanged.contents() == before
    await unchanged.assert_nothing_sent()


@pytest.mark.parametrize("namespace", NAMESPACES)
async def test_events_that_do_not_exist(unchanged: RawConversation, namespace: str) -> None:
    for name in NO_EVENTS:
        answer = await unchanged.sender.acknowledged(json.dumps([name, {}]), namespace)
        assert_refused(answer, {"unknown_event"})
        assert len(answer["error"]["message"]) < 200
    await unchanged.assert_nothing_sent()


@pytest.mark.parametrize("namespace", NAMESPACES)
async def test_event_names_that_are_no_strings(unchanged: RawConversation, namespace: str) -> None:
    for payload in ("[]", "[7,{}]", "[null,{}]", "[{},{}]", "[[],{}]", r'["\ud800",{}]', "[true]", "[NaN,{}]", "[,{}]"):
        assert_refused(await unchanged.sender.acknowledged(payload, namespace), SHAPELESS)
    assert_refused(await unchanged.sender.acknowledged(f"[{NESTED},{{}}]", namespace), SHAPELESS)
    await unchanged.assert_nothing_sent()


async def test_an_event_of_another_namespace_is_unknown(unchanged: RawConversation) -> None:
    good = as_object({"conversationId": unchanged.known["conversationId"], "clientMessageId": '"x"', "text": '"hi"'})
    for namespace in ("/presence", "/bookings"):
        assert_refused(await unchanged.sender.ask("message:send", good, namespace), {"unknown_event"})
    await unchanged.assert_nothing_sent()


async def test_without_an_acknowledgement_it_is_refused_in_outage(unchanged: RawConversation) -> None:
    before = await unchanged.contents()
    for payload in ('["nonsense",{}]', '["message:send",{}]', '["message:send"]', "[]", f"[{NESTED}]"):
        await unchanged.sender.send(f"2/conversations,{payload}")
    assert await unchanged.sender.is_usable()
    assert unchanged.sender.received == []
    assert await unchanged.contents() == before


async def test_a_namespace_that_was_not_connected(running: RunningNode, people: People) -> None:
    person = await people.make()
    async with raw_socket(running.url) as raw:
        await raw.connect(person.token, "/presence")
        answer = await raw.ask("conversation:list", "{}", "/conversations")
        assert_refused(answer, {"unauthenticated"})
        assert_refused(await raw.ask("x", "{}", "/nowhere"), {"unauthenticated"})
        assert await raw.is_usable("/presence")


async def test_while_connect_is_pending(running: RunningNode, people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    client, _, conversation = await people.pair()
    message = json.dumps({"conversationId": conversation, "clientMessageId": "early", "text": "hi"})
    gate = CallGate(running.node.authenticator.authenticate)
    monkeypatch.setattr(running.node.authenticator, "authenticate", gate)
    async with raw_socket(running.url) as raw:
        await raw.send(f'0/conversations,{{"token":"{client.token}"}}')
        await gate.entered.wait()
        assert_refused(await raw.ask("message:send", message), {"unauthenticated"})
        gate.opened.set()
        assert "sid" in await raw.answer_to_connect()
        assert (await raw.ask("message:send", message))["data"]["message"]["seq"] == 1
