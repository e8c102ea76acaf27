"""Phones that come back by themselves, and send again what was not acknowledged."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import socketio
from socketio.exceptions import ConnectionError as NotConnected
from socketio.exceptions import SocketIOError

from domain.wire.events import CONVERSATIONS

Data = dict[str, Any]
# A kill, a start and an election take some seconds, on a busy machine more.
TIMEOUT_SECONDS = 60.0
_ANSWER_WITHIN_SECONDS = 4.0
# What a client tries again for; everything else is final.
_AGAIN = frozenset({"unavailable", "rate_limited"})


class Phone:
    """The official Python client with its reconnection, a log of what it received, and a cursor."""

    def __init__(self, name: str, token: str, conversation: str) -> None:
        self.name = name
        self.conversation = conversation
        self.acknowledged: dict[str, Data] = {}
        self.received: list[tuple[str, Data]] = []
        self.endings: list[str] = []
        self.refusals: list[Data] = []
        self.connects = 0
        self.attempts = 0
        self._token = token
        self._changed = asyncio.Condition()
        self.io = socketio.AsyncClient(
            reconnection=True, reconnection_delay=0.05, reconnection_delay_max=0.3, handle_sigint=False
        )
        self.io.on("*", self._receive, namespace=CONVERSATIONS)
        self.io.on("connect", self._arrived, namespace=CONVERSATIONS)
        self.io.on("disconnect", self._gone, namespace=CONVERSATIONS)
        self.io.on("connect_error", self.refusals.append, namespace=CONVERSATIONS)

    async def connect(self, url: str, transports: Sequence[str] = ("websocket",)) -> None:
        """A server that is too busy to vouch for what it knows says ``unavailable``, and is asked again, as apps do."""
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while True:
                self.refusals.clear()
                try:
                    await self.io.connect(
                        url,
                        auth={"token": self._token},
                        namespaces=[CONVERSATIONS],
                        transports=list(transports),
                        wait_timeout=TIMEOUT_SECONDS,
                    )
                    return
                except NotConnected:
                    if [refusal["data"]["code"] for refusal in self.refusals] != ["unavailable"]:
                        raise
                await asyncio.sleep(0.1)

    async def _receive(self, event: str, data: Data) -> None:
        self.received.append((event, data))

    async def _arrived(self) -> None:
        self.connects += 1
        await self._tell()

    async def _gone(self, reason: str) -> None:
        self.endings.append(reason)
        await self._tell()

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def connected(self, times: int) -> None:
        """Wait until it has connected so often."""
        async with asyncio.timeout(TIMEOUT_SECONDS), self._changed:
            await self._changed.wait_for(lambda: self.connects >= times and CONVERSATIONS in self.io.namespaces)

    async def parted(self) -> str:
        """Wait until it has lost its connection; answers what the library makes of it."""
        async with asyncio.timeout(TIMEOUT_SECONDS), self._changed:
            await self._changed.wait_for(lambda: self.endings)
        return self.endings[-1]

    async def ask(self, event: str, command: Data) -> Data:
        """Ask until there is an answer that is final, through losses of the connection and of the answer."""
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while True:
                self.attempts += 1
                try:
                    answer: Data = await self.io.call(
                        event, command, namespace=CONVERSATIONS, timeout=_ANSWER_WITHIN_SECONDS
                    )
                except SocketIOError:
                    await asyncio.sleep(0.02)
                    continue
                if answer["ok"] or answer["error"]["code"] not in _AGAIN:
                    return answer
                await asyncio.sleep(0.05)

    async def send(self, number: int) -> Data:
        """One message, as often as it takes, under the same ``clientMessageId``."""
        key = f"{self.name}-{number}"
        command = {"conversationId": self.conversation, "clientMessageId": key, "text": f"{key} says something"}
        answer = await self.ask("message:send", command)
        assert answer["ok"], answer
        message: Data = answer["data"]["message"]
        self.acknowledged[key] = message
        return message

    async def sync(self, since: int = 0) -> list[Data]:
        """Every entry of the conversation past a cursor, by cursor alone."""
        entries: list[Data] = []
        while True:
            cursor = entries[-1]["seq"] if entries else since
            answer = await self.ask("sync", {"cursors": {self.conversation: cursor}, "limit": 500})
            (found,) = answer["data"]["conversations"]
            entries += found["entries"]
            if not found["hasMore"]:
                return entries


@asynccontextmanager
async def phone(
    url: str, name: str, token: str, conversation: str, transports: Sequence[str] = ("websocket",)
) -> AsyncIterator[Phone]:
    made = Phone(name, token, conversation)
    await made.connect(url, transports)
    try:
        yield made
    finally:
        await made.io.shutdown()
