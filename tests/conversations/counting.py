"""A database whose commands are counted, as the driver sends them."""

from __future__ import annotations

from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

from tests.harness.databases import ListenedDatabase


class Counter(CommandListener):
    def __init__(self) -> None:
        self.commands: list[str] = []

    def started(self, event: CommandStartedEvent) -> None:
        self.commands.append(event.command_name)

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Counted already."""

    def failed(self, event: CommandFailedEvent) -> None:
        """Counted already."""


class CountedDatabase(ListenedDatabase):
    def __init__(self, url: str) -> None:
        self.counter = Counter()
        super().__init__(url, self.counter, maxPoolSize=8)
