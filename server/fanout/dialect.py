"""The words of plain and of sharded pub/sub."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Dialect:
    """``count`` asks how many listen to a channel; nothing where the answer may come from the wrong server."""

    publish: str
    subscribe: bytes
    unsubscribe: bytes
    message: bytes
    count: bytes | None = None

    @property
    def subscribed(self) -> bytes:
        return self.subscribe.lower()

    @property
    def unsubscribed(self) -> bytes:
        return self.unsubscribe.lower()


PLAIN = Dialect("PUBLISH", b"SUBSCRIBE", b"UNSUBSCRIBE", b"message", b"NUMSUB")
# A master that has lost a slot answers 0 for its channels, where it would turn a publish away.
SHARDED = Dialect("SPUBLISH", b"SSUBSCRIBE", b"SUNSUBSCRIBE", b"smessage")
