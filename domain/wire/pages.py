"""Cursors of lists: where the last page ended, opaque to whoever passes it back; and how much fits an answer."""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import msgspec

from domain.errors import DomainError, invalid
from domain.wire import codec
from domain.wire.fields import Id

T = TypeVar("T")

# 200 kB, in the wire contract: 64 kbit/s take them in 25 s, within a ping's interval and time-out. A part of it is for
# what stands around the items: the packet, the envelope, the names of the lists.
ANSWER_BYTES = 200_000 - 1_000
LAST_PAGE = "nextCursor of its last page"


def size(item: object) -> int:
    """What it takes in an answer, with the comma behind it."""
    return len(codec.encode(item)) + 1


def take_within_size(items: Iterable[T], budget: int = ANSWER_BYTES) -> list[T]:
    """As many of the first items as fit, one at least: a page must move on."""
    taken: list[T] = []
    for item in items:
        budget -= size(item)
        if budget < 0 and taken:
            break
        taken.append(item)
    return taken


class IdCursor(msgspec.Struct, frozen=True):
    """Where a list ended whose order is that of its ids."""

    id: Id


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class InstantCursor(msgspec.Struct, frozen=True):
    """Where a list ended that is in the order of an instant: its milliseconds since 1970, and the id of the item."""

    at: int
    id: Id

    @classmethod
    def of(cls, at: datetime, item_id: str) -> InstantCursor:
        return cls((at - _EPOCH) // _MILLISECOND, item_id)


def page_of(found: Sequence[T], limit: int, cursor: Callable[[T], msgspec.Struct]) -> tuple[list[T], str | None]:
    """The first ``limit`` of what was found, and the cursor of its last one if more was."""
    page = list(found[:limit])
    return page, encode_cursor(cursor(page[-1])) if len(found) > limit else None


def encode_cursor(position: msgspec.Struct) -> str:
    """``position``: the sort key of the last item given, its id included, so that no two items share one."""
    return urlsafe_b64encode(msgspec.json.encode(position)).decode().rstrip("=")


def decode_cursor(kind: type[T], cursor: str, field: str = "cursor", given: str = LAST_PAGE) -> T:
    """Raises ``validation_failed`` for what no list gave; ``given``: what to send instead."""
    try:
        return msgspec.json.decode(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)), type=kind)
    except (ValueError, binascii.Error, msgspec.MsgspecError, RecursionError):
        raise invalid_cursor(field, given) from None


def decode_id_cursor(cursor: str | None) -> str | None:
    """Where a list goes on whose order is that of its ids. Raises as ``decode_cursor``."""
    return None if cursor is None else decode_cursor(IdCursor, cursor).id


def decode_instant_cursor(cursor: str | None) -> tuple[datetime, str] | None:
    """The same for a list in the order of an instant."""
    if cursor is None:
        return None
    place = decode_cursor(InstantCursor, cursor)
    try:
        return _EPOCH + place.at * _MILLISECOND, place.id
    except OverflowError:
        raise invalid_cursor() from None


def invalid_cursor(field: str = "cursor", given: str = LAST_PAGE) -> DomainError:
    return invalid(field, f"is not one that this list gave: send {given} as it was")
