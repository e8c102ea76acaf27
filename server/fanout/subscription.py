"""One channel that this process listens to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

Receive = Callable[[bytes], None]


class Subscription:
    """``stands`` while the server has confirmed it; ``deaf`` if messages may have been missed since it was wanted."""

    __slots__ = ("awaited", "channel", "deaf", "name", "receive", "stands", "waiters")

    def __init__(self, name: str, receive: Receive) -> None:
        self.name = name
        self.channel = name.encode()
        self.receive = receive
        # Confirmations on their way: a channel may be left and wanted again before the first arrives.
        self.awaited = 0
        self.stands = False
        self.deaf = False
        self.waiters: list[asyncio.Future[bool]] = []

    def wake(self, stands: bool) -> None:
        waiters, self.waiters = self.waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(stands)

    def interrupt(self) -> None:
        """The server does not know of it any more."""
        self.awaited = 0
        self.stands = False
        self.deaf = True
        self.wake(False)
