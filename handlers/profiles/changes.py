"""What a PATCH says: the fields that are there, by their names on the wire and in the store."""

from __future__ import annotations

import msgspec

from domain.commands import Command


def changes_of(command: Command, *but: str) -> dict[str, object]:
    """``but``: fields that name what is to be changed."""
    given = {
        field.encode_name: getattr(command, field.name)
        for field in msgspec.structs.fields(type(command))
        if field.name not in ("idempotency_key", *but)
    }
    return {name: value for name, value in given.items() if value is not msgspec.UNSET}
