"""Documents that are long to write: known by a tag before they are written, and kept for whoever asks again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from store import command_budget
from store.fair_limiter import FairLimiter

Write = Callable[[], Awaitable[bytes]]


@dataclass(frozen=True, slots=True)
class TaggedDocument:
    """``tag``: as long as it is the same, so is what ``write`` would answer."""

    tag: str
    write: Write


class DocumentCache:
    """The last of each owner, ``most_bytes`` together; written a few at a time, and one at a time for one owner."""

    def __init__(self, most_bytes: int, turns: FairLimiter) -> None:
        self._most_bytes = most_bytes
        self._turns = turns
        self._bytes = 0
        # The least recently read first.
        self._kept: OrderedDict[str, tuple[str, bytes]] = OrderedDict()

    async def written(self, owner: str, tag: str, write: Write) -> bytes:
        """The document under that tag. Raises what the turns refuse with."""
        if (body := self._known(owner, tag)) is not None:
            return body
        budget = command_budget.current()
        async with self._turns.turn(owner, command_budget.remaining(), "" if budget is None else budget.network):
            # Whoever had the turn before may have written it.
            if (body := self._known(owner, tag)) is None:
                body = await write()
                self._keep(owner, tag, body)
            return body

    def _known(self, owner: str, tag: str) -> bytes | None:
        kept_tag, body = self._kept.get(owner, ("", b""))
        if kept_tag != tag:
            return None
        self._kept.move_to_end(owner)
        return body

    def _keep(self, owner: str, tag: str, body: bytes) -> None:
        _, before = self._kept.pop(owner, ("", b""))
        self._kept[owner] = tag, body
        self._bytes += len(body) - len(before)
        while self._bytes > self._most_bytes:
            _, (_, gone) = self._kept.popitem(last=False)
            self._bytes -= len(gone)
