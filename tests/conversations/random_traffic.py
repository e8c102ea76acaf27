"""A day in some conversations: people send, change, react, read and take back, many at once."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from random import Random
from typing import Protocol

from tests.harness.devices import Data

EMOJIS = ("👍", "🎉", "💪")


class Sender(Protocol):
    """One device, directly or behind a socket."""

    async def ask(self, event: str, data: Data) -> Data: ...
    async def do(self, event: str, data: Data | None = None) -> Data: ...
    async def send(self, conversation_id: str, client_message_id: str, text: str = "hello") -> Data: ...


class RandomTraffic:
    """``talks``: the devices of both sides of each conversation."""

    def __init__(self, talks: Mapping[str, tuple[Sender, Sender]], seed: int) -> None:
        self.talks = talks
        self._chance = Random(seed)
        self._number = 0
        # By conversation, side of its author, and id.
        self._messages: list[tuple[str, int, str]] = []

    async def go_on(self, changes: int, at_once: int = 60) -> None:
        """So many entries of the logs, give or take a change that changes nothing."""
        while changes > 0:
            size = min(at_once, changes)
            await asyncio.gather(*(self._step() for _ in range(size)))
            changes -= size

    async def _step(self) -> None:
        kind = self._chance.choices(("send", "edit", "react", "delete", "read"), (55, 20, 15, 5, 5))[0]
        conversation, side = self._chance.choice(list(self.talks)), self._chance.randrange(2)
        if kind == "read":
            await self._read(conversation, side)
        elif kind == "send" or not self._messages:
            words = self._words()
            message = await self.talks[conversation][side].send(conversation, words, words)
            self._messages.append((conversation, side, message["id"]))
        else:
            await self._change(kind, side)

    async def _change(self, kind: str, side: int) -> None:
        """What is refused, say because the message was deleted, is refused."""
        conversation, author, message_id = self._chance.choice(self._messages)
        command: Data = {"messageId": message_id}
        if kind == "react":
            command |= {"emoji": self._chance.choice(EMOJIS), "remove": self._chance.random() < 0.3}
            author = side
        elif kind == "edit":
            command["text"] = self._words()
        await self.talks[conversation][author].ask(f"message:{kind}", command)

    async def _read(self, conversation: str, side: int) -> None:
        event = self._chance.choice(("conversation:seen", "conversation:delivered"))
        await self.talks[conversation][side].do(
            event, {"conversationId": conversation, "seq": self._chance.randint(0, 200)}
        )

    def _words(self) -> str:
        self._number += 1
        return f"number {self._number}"
