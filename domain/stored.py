"""Records kept as bytes inside documents, readable by every later version of the code.

A field that is taken away is ignored, one that is added with a default gets it. Whatever else changes is one function
more in ``upgrades``, which makes the plain value of one version that of the next.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any, Generic, TypeVar

import msgspec

T = TypeVar("T")
Upgrade = Callable[[dict[str, Any]], dict[str, Any]]


class StoredFormat(Generic[T]):
    """``codec``: ``msgspec.json`` or ``msgspec.msgpack``. A document without a version holds the first."""

    def __init__(self, kind: type[T], codec: ModuleType, upgrades: Sequence[Upgrade] = ()) -> None:
        self._kind = kind
        self._plain = codec.decode
        self._decode = codec.Decoder(kind).decode
        self._upgrades = tuple(upgrades)
        self.encode: Callable[[T], bytes] = codec.Encoder().encode

    @property
    def version(self) -> int:
        """Of what ``encode`` makes, counted from 1; kept beside it."""
        return 1 + len(self._upgrades)

    def decode(self, data: bytes, version: int = 1) -> T:
        """Raises ``msgspec.ValidationError`` for what no upgrade makes a record of."""
        due = self._upgrades[version - 1 :]
        if not due:
            decoded: T = self._decode(data)
            return decoded
        value = self._plain(data)
        for upgrade in due:
            value = upgrade(value)
        return msgspec.convert(value, self._kind)
