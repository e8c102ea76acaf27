"""Commands on files."""

from __future__ import annotations

from domain.commands import Command
from domain.fields import Id


class OpenFile(Command, frozen=True, kw_only=True):
    """By a signed URL, or by whoever may see the file."""

    id: Id
    expires: int | None = None
    signature: str | None = None
