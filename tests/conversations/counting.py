"""A database whose commands are counted, as the driver sends them."""

from __future__ import annotations

from typing import Any

from motor.motor_asyncio import AsyncIOMotorClient
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

from store.database import Database


class Counter(CommandListener):
    def __init__(self) -> None:
        self.commands: list[str] = []

    def started(self, event: CommandStartedEvent) -> None:
        self.commands.append(event.command_name)

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Counted already."""

    def failed(self, event: CommandFailedEvent) -> None:
        """Counted already."""


class CountedDatabase(Database):
    def __init__(self, url: str) -> None:
        super().__init__(url)
        uncounted, plain = self.client, self.db
        self.counter = Counter()
        self.client = AsyncIOMotorClient(url, tz_aware=True, maxPoolSize=8, event_listeners=[self.counter])
        concerns: dict[str, Any] = {
            "read_preference": plain.read_preference,
            "write_concern": plain.write_concern,
            "read_concern": plain.read_concern,
        }
        self.db = self.client.get_database(plain.name, **concerns)
        uncounted.close()
