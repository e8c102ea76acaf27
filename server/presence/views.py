"""Views as Redis tells them: in a message, as a script's answer, or as a hash."""

from __future__ import annotations

from typing import cast

from domain.presence import NOWHERE, PublicStatus, View

_HOLDER = b"n:"


def from_message(payload: bytes) -> View:
    """``<version> <status> <seen> <holder>,<holder>…``"""
    version, status, seen, holders = payload.split(b" ")
    return _view(version, status, seen, holders.split(b",") if holders else [])


def from_hash(fields: dict[bytes, bytes]) -> View:
    """A user nobody knows of is nowhere, with version 0."""
    if b"v" not in fields:
        return NOWHERE
    holders = [name.removeprefix(_HOLDER) for name in fields if name.startswith(_HOLDER)]
    return _view(fields[b"v"], fields[b"s"], fields[b"seen"], holders)


def _view(version: bytes, status: bytes, seen: bytes, holders: list[bytes]) -> View:
    return View(
        version=int(version),
        status=cast(PublicStatus, status.decode()),
        seen=int(seen),
        holders=frozenset(holder.decode() for holder in holders),
    )
