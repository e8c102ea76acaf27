"""How much one answer may hold: a device that asks for a page must not be cut for the page's size."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from domain.messages import MessageRecord

T = TypeVar("T")

# Well under what a socket may have waiting to be written (1 MB).
ANSWER_BYTES = 600_000
# A message without its text, with ids, names of fields and dates; a conversation with both its people.
MESSAGE_BYTES = 700
CONVERSATION_BYTES = 1_200


def weight(record: MessageRecord) -> int:
    """Roughly what the message takes in an answer."""
    text = len(record.text.encode()) if record.text else 0
    return MESSAGE_BYTES + text + 60 * len(record.marks)


def affordable(items: Iterable[T], weigh: Callable[[T], int], budget: int = ANSWER_BYTES) -> list[T]:
    """As many of the first items as fit, one at least: a page must move on."""
    taken: list[T] = []
    for item in items:
        budget -= weigh(item)
        if budget < 0 and taken:
            break
        taken.append(item)
    return taken

