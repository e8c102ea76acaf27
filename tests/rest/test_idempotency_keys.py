"""The idempotency key over HTTP: one effect a key, however often and however fast it is repeated."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp

from tests.harness.nodes import RunningNode
from tests.harness.people import People, Person


async def send(
    running: RunningNode, person: Person, conversation: str, key: str, body: dict[str, Any]
) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {person.token}", "Idempotency-Key": key}
    url = f"{running.url}/v1/conversations/{conversation}/messages"
    async with aiohttp.ClientSession() as http, http.post(url, json=body, headers=headers) as response:
        return response.status, await response.json(content_type=None)


async def test_ten_at_once_under_one_key_have_one_effect(running: RunningNode, people: People) -> None:
    client, _, conversation = await people.pair()
    bodies = [{"clientMessageId": f"m{number}", "text": f"text {number}"} for number in range(10)]
    answers = await asyncio.gather(*(send(running, client, conversation, "key", body) for body in bodies))
    assert sorted(status for status, _ in answers) == [201] + [409] * 9
    heads = await running.node.store.log.read.heads([conversation])
    assert heads == {conversation: 1}


async def test_a_repeat_answers_the_message_as_it_stands(running: RunningNode, people: People) -> None:
    client, _, conversation = await people.pair()
    body = {"clientMessageId": "m", "text": "hello"}
    first, again = [await send(running, client, conversation, "key", body) for _ in range(2)]
    assert first == again
    other = await send(running, client, conversation, "key", {**body, "text": "other"})
    assert (other[0], other[1]["code"]) == (409, "idempotency_conflict")


async def test_a_failure_is_not_remembered(running: RunningNode, people: People) -> None:
    client, _, conversation = await people.pair()
    assert (await send(running, client, conversation, "key", {"clientMessageId": "m", "text": " "}))[0] == 422
    assert (await send(running, client, conversation, "key", {"clientMessageId": "m", "text": "a"}))[0] == 201
