"""A phone: an official Python Socket.IO client that keeps what it received."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import socketio

from domain.wire.events import CONVERSATIONS
from tests.harness.described import event_received
from tests.harness.people import Person

Data = dict[str, Any]
# Three times what the slowest thing a test waits for may take; a passing test never waits it out.
TIMEOUT_SECONDS = 15.0


class Refused(Exception):
    """The acknowledgement of a command that failed."""

    def __init__(self, error: Data) -> None:
        super().__init__(f"{error['code']}: {error['message']}")
        self.error = error
        self.code: str = error["code"]


class Device:
    def __init__(self, namespaces: Sequence[str] = (CONVERSATIONS,)) -> None:
        self.io = socketio.AsyncClient(reconnection=False)
        self.received: list[tuple[str, Data]] = []
        self.disconnected = asyncio.Event()
        self._changed = asyncio.Condition()
        for namespace in namespaces:
            self.io.on("*", partial(self._receive, namespace), namespace=namespace)
            self.io.on("disconnect", self._gone, namespace=namespace)

    async def _receive(self, namespace: str, event: str, data: Data) -> None:
        event_received(namespace, event, data)
        self.received.append((event, data))
        async with self._changed:
            self._changed.notify_all()

    async def _gone(self, *_: object) -> None:
        self.disconnected.set()
        async with self._changed:
            self._changed.notify_all()

    async def ask(self, event: str, data: Any, namespace: str = CONVERSATIONS) -> Data:
        """The whole acknowledgement of a command."""
        answer: Data = await self.io.call(event, data, namespace=namespace, timeout=TIMEOUT_SECONDS)
        return answer

    async def do(self, event: str, data: Data | None = None, namespace: str = CONVERSATIONS) -> Data:
        """What a successful command answers; raises ``Refused``."""
        answer = await self.ask(event, data or {}, namespace)
        if not answer["ok"]:
            raise Refused(answer["error"])
        found: Data = answer["data"]
        return found

    async def send(self, conversation_id: str, client_message_id: str, text: str = "hello") -> Data:
        """Send a message; answers it as stored."""
        command = {"conversationId": conversation_id, "clientMessageId": client_message_id, "text": text}
        message: Data = (await self.do("message:send", command))["message"]
        return message

    def events(self, name: str) -> list[Data]:
        return [data for event, data in self.received if event == name]

    async def until(self, condition: Callable[[Device], bool], within: float = TIMEOUT_SECONDS) -> None:
        """Wait until what was received fulfils the condition."""
        async with asyncio.timeout(within), self._changed:
            await self._changed.wait_for(lambda: condition(self))

    async def receive(self, name: str, count: int = 1) -> list[Data]:
        """Wait for so many events of a name; answers all of them."""
        await self.until(lambda device: len(device.events(name)) >= count)
        return self.events(name)


@asynccontextmanager
async def device(
    url: str,
    person: Person,
    namespaces: Sequence[str] = (CONVERSATIONS,),
    transports: Sequence[str] = ("websocket",),
) -> AsyncIterator[Device]:
    phone = Device(namespaces)
    await phone.io.connect(
        url,
        auth={"token": person.token},
        namespaces=list(namespaces),
        transports=list(transports),
        wait_timeout=TIMEOUT_SECONDS,
    )
    try:
        yield phone
    finally:
        await phone.io.disconnect()
