"""Cursors of lists: where the last page ended, opaque to whoever passes it back."""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import TypeVar

import msgspec

from domain.errors import DomainError, invalid

T = TypeVar("T")


def encode_cursor(position: msgspec.Struct) -> str:
    """``position``: the sort key of the last item given, its id included, so that no two items share one."""
    return urlsafe_b64encode(msgspec.json.encode(position)).decode().rstrip("=")


def decode_cursor(kind: type[T], cursor: str) -> T:
    """Raises ``validation_failed`` for what no list gave."""
    try:
        return msgspec.json.decode(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)), type=kind)
    except (ValueError, binascii.Error, msgspec.MsgspecError, RecursionError):
        raise not_from_here() from None


def not_from_here() -> DomainError:
    return invalid("cursor", "is not one that this list gave")
