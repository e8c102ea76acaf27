"""Everybody's phone, connected to every namespace; two of them tell what the client and the trainer were told."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from domain.wire.events import NAMESPACES
from tests.authorisation.cases import SOCKET_COLUMNS
from tests.authorisation.parties import Parties
from tests.authorisation.people import Asker
from tests.harness.devices import Device, device

PARTIES = ("client", "trainer")


class Phones:
    def __init__(self, by_column: dict[str, Device]) -> None:
        self._by_column = by_column

    async def ask(self, column: str, row: str, said: Any) -> dict[str, Any]:
        """The acknowledgement of an event; ``row``: namespace and event."""
        namespace, event = row.split()
        return await self._by_column[column].ask(event, {} if said is None else said, namespace)

    async def forget(self) -> None:
        """What the parties were told until now."""
        await self._caught_up()
        for party in PARTIES:
            self._by_column[party].received.clear()

    async def received_by(self, who: Asker) -> list[Any]:
        """What the parties were told of somebody since."""
        await self._caught_up()
        return [] if who is None else [event for event in self._received() if who.id in str(event)]

    def _received(self) -> Iterator[Any]:
        for party in PARTIES:
            yield from self._by_column[party].received

    async def _caught_up(self) -> None:
        """What was to be told before comes before the answer to a question."""
        for party in PARTIES:
            await self._by_column[party].ask("no:such:event", {})


@asynccontextmanager
async def phones_of(parties: Parties) -> AsyncIterator[Phones]:
    async with AsyncExitStack() as stack:
        by_column = {}
        for column in SOCKET_COLUMNS:
            who = parties.people[column]
            assert who is not None
            phone = device(parties.market.urls[0], who.person, NAMESPACES)
            by_column[column] = await stack.enter_async_context(phone)
        yield Phones(by_column)
