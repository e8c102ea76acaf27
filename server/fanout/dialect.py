"""The words of plain and of sharded pub/sub."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Dialect:
    publish: str
    subscribe: bytes
    unsubscribe: bytes
    message: bytes

    @property
    def subscribed(self) -> bytes:
        return self.subscribe.lower()

    @property
    def unsubscribed(self) -> bytes:
        return self.unsubscribe.lower()


PLAIN = Dialect("PUBLISH", b"SUBSCRIBE", b"UNSUBSCRIBE", b"message")
SHARDED = Dialect("SPUBLISH", b"SSUBSCRIBE", b"SUNSUBSCRIBE", b"smessage")
