"""What tests through sockets need of a running service, however many processes it has."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

from server.app import utc_now
from store.store import Store
from tests.harness.devices import Device, device
from tests.harness.nodes import RunningNode
from tests.harness.people import People, Person


class Service(Protocol):
    @property
    def people(self) -> People: ...
    @property
    def store(self) -> Store:
        """A view of the same database."""

    @property
    def url(self) -> str:
        """Of any process."""

    def device(
        self, person: Person, *, transports: Sequence[str] | None = None
    ) -> AbstractAsyncContextManager[Device]:
        """A device of the person's, over these transports or any."""


class OneNode:
    """A node in this process."""

    def __init__(self, running: RunningNode) -> None:
        self.store = running.node.store
        self.people = People(self.store, running.node.tokens, utc_now)
        self.url = running.url

    @asynccontextmanager
    async def device(self, person: Person, *, transports: Sequence[str] | None = None) -> AsyncIterator[Device]:
        async with device(self.url, person, transports=transports or ("websocket",)) as phone:
            yield phone
