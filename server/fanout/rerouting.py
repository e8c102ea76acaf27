"""The owner of links whose channels may move from one to another."""

from __future__ import annotations

from typing import Protocol

from server.fanout.link import Owner


class Rerouting(Owner, Protocol):
    def rerouted(self) -> None:
        """Channels may live elsewhere now."""
