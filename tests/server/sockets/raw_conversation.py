"""Two people in a conversation, one of them misbehaving, the other listening, and everything that is stored."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from domain.wire.events import CONVERSATIONS, NAMESPACES
from tests.harness.databases import contents
from tests.harness.nodes import RunningNode
from tests.harness.people import People, Person
from tests.server.sockets.raw import Attentive, Raw, admitted

Contents = dict[str, list[dict[str, Any]]]


@dataclass
class RawConversation:
    running: RunningNode
    client: Person
    trainer: Person
    sender: Raw
    receiver: Raw
    conversation: str
    message: str
    known: dict[str, str]
    """JSON text for fields by their names: ids of what is really there, so that a bad command could do harm."""

    async def contents(self) -> Contents:
        """Every document there is, once nothing is being written any more.

        But for nodes that died, those of other tests which use the same Redis, and for what a start goes through.
        """
        await self.running.node.store.drain()
        return await contents(self.running.node.database, "silences", "respellings")

    async def assert_nothing_sent(self) -> None:
        """The receiver was told nothing so far: what it would have been told comes before an answer to it."""
        for namespace in NAMESPACES:
            assert await self.receiver.is_usable(namespace)
        assert self.receiver.received == []


@asynccontextmanager
async def open_raw_conversation(running: RunningNode, people: People) -> AsyncIterator[RawConversation]:
    client, trainer, conversation = await people.pair()
    async with (
        admitted(running.url, client.token, *NAMESPACES, kind=Attentive) as sender,
        admitted(running.url, trainer.token, *NAMESPACES, kind=Attentive) as receiver,
    ):
        first = {"conversationId": conversation, "clientMessageId": "first", "text": "hello"}
        message = (await sender.ask("message:send", json.dumps(first)))["data"]["message"]["id"]
        await receiver.until(f'2{CONVERSATIONS},["message:new"')
        trainer_user = await running.node.store.users.by_id(trainer.id)
        trainer_id = trainer_user.profile_id if trainer_user else ""
        sender.received.clear()
        receiver.received.clear()
        known = {
            "query": '"hi"',
            "conversationId": json.dumps(conversation),
            "messageId": json.dumps(message),
            "replyTo": json.dumps(message),
            "userId": json.dumps(trainer.id),
            "userIds": json.dumps([trainer.id]),
            "clientMessageId": '"second"',
            "idempotencyKey": '"once"',
            "cursors": json.dumps({conversation: 0}),
            "cursor": json.dumps("f" * 24),
            "until": '"2030-01-01T00:00:00.000Z"',
            "emoji": '"👍"',
            "text": '"x"',
            "note": '"x"',
            "reason": '"x"',
            "seq": "1",
            "trainerId": json.dumps(trainer_id),
            "bookingId": json.dumps("b" * 24),
            "startsAt": '"2030-01-01T00:00:00.000Z"',
            "status": '"held,confirmed"',
            "from": '"2030-01-01"',
            "to": '"2030-01-01"',
            "token": json.dumps(client.token),
        }
        yield RawConversation(running, client, trainer, sender, receiver, conversation, message, known)
