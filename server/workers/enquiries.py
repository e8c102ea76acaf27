"""A question that each worker may put to all the others."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable, Mapping
from contextlib import suppress
from itertools import count
from typing import Final

from server.workers.mailbox import MailboxFull, Outbox

# Whoever hangs is missing from the answers.
_PATIENCE_SECONDS: Final = 1.0
_ADDRESS: Final = struct.Struct(">HI")


class _Open:
    """Answers by worker, until all expected are there."""

    def __init__(self, expected: int) -> None:
        self.answers: dict[int, bytes] = {}
        self.complete = asyncio.Event()
        self._expected = expected

    def add(self, worker: int, answer: bytes) -> None:
        self.answers[worker] = answer
        if len(self.answers) == self._expected:
            self.complete.set()


class Enquiries:
    """The only question there is: what ``knowledge`` answers."""

    def __init__(self, index: int, others: Mapping[int, Outbox], knowledge: Callable[[], bytes]) -> None:
        self._index = index
        self._others = others
        self._knowledge = knowledge
        self._numbers = count()
        self._open: dict[int, _Open] = {}

    async def ask(self, kind: bytes) -> dict[int, bytes]:
        """What the others answered in time, by worker."""
        number = next(self._numbers) & 0xFFFFFFFF
        enquiry = self._open[number] = _Open(len(self._others))
        question = kind + _ADDRESS.pack(self._index, number)
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(_PATIENCE_SECONDS):
                    await asyncio.gather(*(_post(outbox, question) for outbox in self._others.values()))
                    await enquiry.complete.wait()
        finally:
            del self._open[number]
        return enquiry.answers

    async def answer(self, kind: bytes, question: bytes) -> None:
        """Answer another worker's question."""
        asker, number = _ADDRESS.unpack(question)
        await _post(self._others[asker], kind + _ADDRESS.pack(self._index, number) + self._knowledge())

    def note(self, answer: bytes) -> None:
        """Take another worker's answer; one that comes late, or is meant for a predecessor, has no enquiry."""
        worker, number = _ADDRESS.unpack_from(answer)
        if (enquiry := self._open.get(number)) is not None:
            enquiry.add(worker, answer[_ADDRESS.size :])


async def _post(outbox: Outbox, message: bytes) -> None:
    with suppress(MailboxFull, OSError):
        await outbox.send(message)
