"""Commands: what clients may ask, as closed types parsed once at the edge."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from domain.wire.fields import IdempotencyKey, file_id


class Command(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """The base of every command. On REST the key comes in the ``Idempotency-Key`` header."""

    idempotency_key: IdempotencyKey | None = None


class FileCommand(Command, frozen=True, kw_only=True):
    """One that names files: by their ids from here on, whichever way they were named."""

    file_fields: ClassVar[tuple[str, ...]]

    def __post_init__(self) -> None:
        for name in self.file_fields:
            given = getattr(self, name)
            if not given:
                continue
            if isinstance(given, str):
                msgspec.structs.force_setattr(self, name, file_id(given))
            elif isinstance(given, tuple):
                msgspec.structs.force_setattr(self, name, tuple(map(file_id, given)))


class Answer(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The base of every answer."""
