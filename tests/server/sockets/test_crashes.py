"""A handler that fails in a way nobody thought of: an answer, a log entry without anybody's words, and life goes on."""

from __future__ import annotations

import asyncio
import json
import logging

import pytest
import structlog

from domain.wire.base import Command
from server.sockets.admission import Admission
from tests.harness.nodes import RunningNode
from tests.harness.people import People
from tests.server.sockets.invalid_values import NUL, as_object, fields_of, fitting, takes_any_words
from tests.server.sockets.raw import admitted, raw_socket
from tests.server.sockets.raw_conversation import RawConversation
from tests.server.sockets.refusals import assert_refused
from tests.server.sockets.rows import every_command

SECRET_WORDS = "meet me at the old mill"


class UnexpectedError(Exception):
    """Nothing that the code expects; it quotes what it was about, as drivers do."""


async def test_a_crash_is_acknowledged_and_told_without_words(
    running: RunningNode, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, trainer, conversation = await people.pair()

    def fail(*args: object) -> None:
        try:
            raise KeyError(SECRET_WORDS)
        except KeyError as error:
            raise UnexpectedError(f"cannot store {SECRET_WORDS}") from error

    monkeypatch.setattr(running.node.store.log, "append_message", fail)
    message = json.dumps({"conversationId": conversation, "clientMessageId": "m1", "text": SECRET_WORDS})
    async with admitted(running.url, client.token) as raw, admitted(running.url, trainer.token) as other:
        with structlog.testing.capture_logs() as logs:
            answer = await raw.ask("message:send", message)
        assert_refused(answer, {"internal"})
        assert SECRET_WORDS not in json.dumps(answer)
        (entry,) = logs
        assert entry["log_level"] == "error"
        assert entry["event_name"] == "message:send"
        assert entry["error"] == "UnexpectedError"
        assert "KeyError" in entry["place"] and "in send_message" in entry["place"]
        assert SECRET_WORDS not in repr(entry)
        monkeypatch.undo()
        assert (await raw.ask("message:send", message))["ok"]
        await other.event("message:new")
    assert running.node.dispatcher.outcomes["message:send", "internal"] == 1


async def test_a_command_cancelled_before_it_begins_delays_no_end(running: RunningNode, people: People) -> None:
    person = await people.make()
    dispatcher = running.node.dispatcher
    async with admitted(running.url, person.token):
        (client,) = [one for one in running.node.gateway.clients if one.user_id == person.id]
        dispatcher.dispatch(client, client.connections["/conversations"], None, '["conversation:list",{}]')
        for task in dispatcher._at_work.values():
            task.cancel()
        await asyncio.wait_for(dispatcher.drain(), 10)
        dispatcher._at_work.clear()


async def test_a_crash_while_connecting_is_a_refusal(
    running: RunningNode, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = await people.make()

    async def fail(token: str, address: str) -> None:
        raise UnexpectedError(token)

    monkeypatch.setattr(running.node.authenticator, "authenticate", fail)
    async with raw_socket(running.url) as raw:
        with structlog.testing.capture_logs() as logs:
            refusal = await raw.connect(person.token)
        assert refusal["data"] == {"code": "internal"}
        assert person.token not in repr(logs) and person.token not in repr(refusal)
        assert len(logs) == 1
        monkeypatch.undo()
        assert "sid" in await raw.connect(person.token)


async def test_a_crash_in_the_gateway_itself_ends_the_socket_only(
    running: RunningNode, people: People, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    person = await people.make()

    def fail(self: Admission, client: object) -> None:
        raise UnexpectedError(SECRET_WORDS)

    async with admitted(running.url, person.token) as bystander, raw_socket(running.url) as raw:
        with monkeypatch.context() as patched, caplog.at_level(logging.ERROR):
            patched.setattr(Admission, "refusal", fail)
            await raw.send('0/conversations,{"token":"x"}')
            assert await raw.closed() == 1011
        assert await bystander.is_usable()
    assert "UnexpectedError" in caplog.text
    assert SECRET_WORDS not in caplog.text


@every_command
async def test_a_nul_in_free_words_is_no_crash(
    raw_conversation: RawConversation, namespace: str, event: str, command: type[Command]
) -> None:
    good = fitting(command, raw_conversation.known)
    for field in filter(takes_any_words, fields_of(command)):
        answer = await raw_conversation.sender.ask(event, as_object({**good, field.encode_name: NUL}), namespace)
        assert answer["ok"] or answer["error"]["code"] != "internal", answer
