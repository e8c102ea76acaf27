"""Devices that run the official JavaScript client, in one Node process."""

from __future__ import annotations

import asyncio
import json
import shutil
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from domain.wire.events import CONVERSATIONS
from tests.harness.devices import TIMEOUT_SECONDS, Data, Refused
from tests.harness.people import Person

_FOLDER = Path(__file__).resolve().parents[1] / "js"
# A `sync` answer of 500 entries is one line.
_LONGEST_LINE = 16 * 2**20


class JsDevice:
    """What tests.harness.devices.Device is for the Python client."""

    def __init__(self, program: JsDevices, name: str) -> None:
        self._program, self.name = program, name
        self.received: list[tuple[str, Data]] = []

    async def ask(self, data: Data, event: str = "message:send") -> Data:
        """The whole acknowledgement."""
        answer: Data = await self._program.command("emit", device=self.name, event=event, data=data)
        return answer

    async def do(self, event: str, data: Data | None = None) -> Data:
        answer = await self.ask(data or {}, event)
        if not answer["ok"]:
            raise Refused(answer["error"])
        found: Data = answer["data"]
        return found

    async def tell(self, event: str, data: Data) -> None:
        """Without an acknowledgement."""
        await self._program.command("tell", device=self.name, event=event, data=data)

    async def send(self, conversation_id: str, client_message_id: str, text: str = "hello") -> Data:
        command = {"conversationId": conversation_id, "clientMessageId": client_message_id, "text": text}
        message: Data = (await self.do("message:send", command))["message"]
        return message

    async def transport(self) -> str:
        return str(await self._program.command("transport", device=self.name))

    def events(self, name: str) -> list[Data]:
        return [data for event, data in self.received if event == name]

    async def receive(self, name: str, count: int = 1) -> list[Data]:
        async with asyncio.timeout(TIMEOUT_SECONDS), self._program.changed:
            await self._program.changed.wait_for(lambda: len(self.events(name)) >= count)
        return self.events(name)


class JsDevices:
    """The Node process. Commands are answered by number; what devices receive arrives in between."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._numbers = count()
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._devices: dict[str, JsDevice] = {}
        self.changed = asyncio.Condition()

    async def connect(
        self, url: str, person: Person, transports: Sequence[str], namespace: str = CONVERSATIONS
    ) -> JsDevice:
        name = f"device {len(self._devices)}"
        device = self._devices[name] = JsDevice(self, name)
        where = {"url": url, "namespace": namespace, "transports": list(transports)}
        await self.command("connect", device=name, token=person.token, **where)
        return device

    async def join(self, beside: JsDevice, person: Person, namespace: str, calls: int = 1) -> JsDevice:
        """Another namespace over the connection of a device; ``calls``: how often the program calls ``connect``."""
        name = f"device {len(self._devices)}"
        device = self._devices[name] = JsDevice(self, name)
        where = {"beside": beside.name, "namespace": namespace, "calls": calls}
        await self.command("join", device=name, token=person.token, **where)
        return device

    async def command(self, what: str, **arguments: object) -> Any:
        number = next(self._numbers)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"id": number, "do": what, **arguments}).encode() + b"\n")
        async with asyncio.timeout(TIMEOUT_SECONDS):
            return await answer

    async def listen(self) -> None:
        """Until the process ends."""
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            said = json.loads(line)
            if "event" in said:
                self._devices[said["device"]].received.append((said["event"], said["data"]))
                async with self.changed:
                    self.changed.notify_all()
            elif "error" in said:
                self._waiting.pop(said["id"]).set_exception(ConnectionError(said["error"]))
            else:
                self._waiting.pop(said["id"]).set_result(said["result"])


@asynccontextmanager
async def js_devices() -> AsyncIterator[JsDevices]:
    """Skips the test where there is no Node, or no client for it."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs node, which is not installed")
    if not (_FOLDER / "node_modules" / "socket.io-client").is_dir():
        pytest.skip("needs tests/js/node_modules: run `make set-up-js`")
    process = await asyncio.create_subprocess_exec(
        node, "devices.mjs", cwd=_FOLDER, stdin=PIPE, stdout=PIPE, limit=_LONGEST_LINE
    )
    devices = JsDevices(process)
    listening = asyncio.ensure_future(devices.listen())
    try:
        yield devices
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await asyncio.wait_for(process.wait(), TIMEOUT_SECONDS)
        await listening
