"""Commands: what clients may ask, as closed types parsed once at the edge."""

from __future__ import annotations

import msgspec

from domain.wire.fields import IdempotencyKey


class Command(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """The base of every command. On REST the key comes in the ``Idempotency-Key`` header."""

    idempotency_key: IdempotencyKey | None = None


class Answer(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The base of every answer."""
