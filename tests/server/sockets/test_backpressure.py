"""More commands at work than a socket may have: it is not read until some are done, and nothing is lost."""

from __future__ import annotations

import json

import aiohttp
import pytest

from server.sockets.dispatcher import MAX_IN_FLIGHT, RESUME_BELOW
from tests.harness.call_gates import CallGate
from tests.harness.nodes import RunningNode
from tests.harness.people import People
from tests.harness.waiting import until
from tests.server.sockets.polling import Poller
from tests.server.sockets.raw import admitted

COUNT = 4 * MAX_IN_FLIGHT
LIST = '["conversation:list",{}]'


async def test_a_websocket_is_not_read_meanwhile(
    running: RunningNode, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    person, other = await people.make(), await people.make()
    node = running.node
    async with admitted(running.url, person.token) as raw, admitted(running.url, other.token) as bystander:
        (client,) = (c for c in node.gateway.clients if c.user_id == person.id)
        gate = CallGate(node.store.conversations.page)
        with monkeypatch.context() as patched:
            patched.setattr(node.store.conversations, "page", gate)
            ids = [await raw.submit(LIST) for _ in range(COUNT)]
            await until(lambda: client.socket.paused)
            for _ in range(5):
                assert await bystander.is_usable()
            assert client.in_flight == MAX_IN_FLIGHT
            assert raw.received == []
            gate.opened.set()
            assert all([(await raw.answer_to(ack_id))["ok"] for ack_id in ids])
        assert gate.calls == COUNT
        assert client.in_flight == 0
        assert not client.socket.paused
        assert RESUME_BELOW < MAX_IN_FLIGHT


async def test_a_poller_waits_for_its_post_to_be_taken(
    running: RunningNode, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = await people.make()
    node = running.node
    async with aiohttp.ClientSession() as http:
        poller = await Poller.open(running.url, http)
        await poller.connect(person.token)
        (client,) = node.gateway.clients
        gate = CallGate(node.store.conversations.page)
        with monkeypatch.context() as patched:
            patched.setattr(node.store.conversations, "page", gate)
            posting = poller.post_soon(*(f"42/conversations,{n}{LIST}" for n in range(COUNT)))
            await until(lambda: client.in_flight >= MAX_IN_FLIGHT)
            assert client.in_flight == MAX_IN_FLIGHT
            assert client.socket.paused
            assert not posting.done()
            gate.opened.set()
            acknowledged = [await poller.acknowledgement() for _ in range(COUNT)]
        assert await posting == "ok"
        assert sorted(ack_id for ack_id, _ in acknowledged) == list(range(COUNT))
        assert all(answer["ok"] for _, answer in acknowledged)
        await poller.close()


async def test_one_that_leaves_in_the_middle_loses_only_the_answers(
    running: RunningNode, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, _, conversation = await people.pair()
    node = running.node
    gate = CallGate(node.store.conversations.membership)
    with monkeypatch.context() as patched:
        patched.setattr(node.store.conversations, "membership", gate)
        async with admitted(running.url, client.token) as raw:
            for n in range(MAX_IN_FLIGHT):
                command = {"conversationId": conversation, "clientMessageId": f"m{n}", "text": "x"}
                await raw.submit(f'["message:send",{json.dumps(command)}]')
            await gate.entered.wait()
            (held,) = node.gateway.clients
            await until(lambda: held.in_flight == MAX_IN_FLIGHT)
            raw.websocket.transport.abort()
        gate.opened.set()
        await node.dispatcher.drain()
    assert (await node.store.log.read.heads([conversation]))[conversation] == MAX_IN_FLIGHT
    assert not node.gateway.clients


@pytest.mark.parametrize("asked", ['["sync",{"cursors":{"%s":0}}]', '["message:list",{"conversationId":"%s"}]'])
async def test_large_answers_are_made_one_after_the_other(
    running: RunningNode, people: People, monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    """Two hundred at once took a node over a gigabyte, and none of it was for anybody once the socket was gone."""
    _, trainer, conversation = await people.pair()
    node = running.node
    gate = CallGate(node.store.log.read.before), CallGate(node.store.log.read.between)
    monkeypatch.setattr(node.store.log.read, "before", gate[0])
    monkeypatch.setattr(node.store.log.read, "between", gate[1])
    other = {"conversationId": conversation, "clientMessageId": "one", "text": "meanwhile"}
    async with admitted(running.url, trainer.token) as raw:
        (client,) = node.gateway.clients
        for _ in range(100):
            await raw.submit(asked % conversation)
        sent = await raw.submit(f'["message:send",{json.dumps(other)}]')
        # Whatever else it says does not wait for them.
        assert (await raw.answer_to(sent))["ok"]
        assert client.in_flight == 100
        # The first of them may be on its way to its read still.
        await until(lambda: gate[0].calls + gate[1].calls == 1)
    await until(lambda: not node.gateway.clients)
    for one in gate:
        one.opened.set()
    await until(lambda: client.in_flight == 0)
    assert gate[0].calls + gate[1].calls == 1
