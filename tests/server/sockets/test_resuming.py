"""Many sockets ask for what they missed at once: a few are at work at a time, and nobody who sends waits for them."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack

import pytest

from handlers.context import SYNCS_AT_ONCE, SYNCS_OF_ONE_USER
from tests.harness.call_gates import CallGate
from tests.harness.nodes import RunningNode
from tests.harness.people import People
from tests.harness.waiting import until
from tests.server.sockets.raw import admitted

COUNT = 24


async def test_sends_are_acknowledged_while_many_sync(
    running: RunningNode, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = running.node
    sender, _, conversation = await people.pair()
    persons = [await people.make() for _ in range(COUNT)]
    gate = CallGate(node.store.conversations.page)
    monkeypatch.setattr(node.store.conversations, "page", gate)
    async with AsyncExitStack() as stack:
        sockets = [await stack.enter_async_context(admitted(running.url, person.token)) for person in persons]
        sending = await stack.enter_async_context(admitted(running.url, sender.token))
        asked = [(raw, await raw.submit('["sync",{"cursors":{}}]')) for raw in sockets]
        await until(lambda: sum(client.in_flight for client in node.gateway.clients) == COUNT)
        for number in range(10):
            command = {"conversationId": conversation, "clientMessageId": f"m{number}", "text": "meanwhile"}
            assert (await sending.answer_to(await sending.submit(f'["message:send",{json.dumps(command)}]')))["ok"]
        assert gate.calls == SYNCS_AT_ONCE
        gate.opened.set()
        assert all(answer["ok"] for answer in await asyncio.gather(*(raw.answer_to(ack) for raw, ack in asked)))
    assert gate.calls == COUNT


async def test_one_users_do_not_stand_before_anothers(
    running: RunningNode, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = running.node
    greedy, quiet = await people.make(), await people.make()
    gate = CallGate(node.store.conversations.page)
    monkeypatch.setattr(node.store.conversations, "page", gate)
    async with AsyncExitStack() as stack:
        own = range(2 * SYNCS_AT_ONCE)
        sockets = [await stack.enter_async_context(admitted(running.url, greedy.token)) for _ in own]
        other = await stack.enter_async_context(admitted(running.url, quiet.token))
        for raw in sockets:
            await raw.submit('["sync",{"cursors":{}}]')
        await until(lambda: sum(client.in_flight for client in node.gateway.clients) == len(sockets))
        await until(lambda: gate.calls >= SYNCS_OF_ONE_USER)
        assert await other.is_usable()
        assert gate.calls == SYNCS_OF_ONE_USER
        await other.submit('["sync",{"cursors":{}}]')
        await until(lambda: gate.calls > SYNCS_OF_ONE_USER)
        gate.opened.set()


async def test_those_who_left_while_they_waited_cost_nothing(
    running: RunningNode, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = running.node
    persons = [await people.make() for _ in range(COUNT)]
    gate = CallGate(node.store.conversations.page)
    monkeypatch.setattr(node.store.conversations, "page", gate)
    async with AsyncExitStack() as stack:
        for person in persons:
            raw = await stack.enter_async_context(admitted(running.url, person.token))
            await raw.submit('["sync",{"cursors":{}}]')
        clients = tuple(node.gateway.clients)
        await until(lambda: sum(client.in_flight for client in clients) == COUNT)
    await until(lambda: not node.gateway.clients)
    gate.opened.set()
    await until(lambda: not any(client.in_flight for client in clients))
    assert gate.calls == SYNCS_AT_ONCE
