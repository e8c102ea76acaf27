"""Commands and answers of files."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from domain.files import FileObject
from domain.wire.base import Command
from domain.wire.fields import Id

# Of the year 9999.
_LAST_SECOND = 253_402_300_799


class OpenFile(Command, frozen=True, kw_only=True):
    """By a signed URL, or by whoever may see the file."""

    id: Id
    expires: Annotated[int, Meta(ge=0, le=_LAST_SECOND, description="in seconds since 1970")] | None = None
    signature: str | None = None


class FileAnswer(FileObject, frozen=True, kw_only=True):
    """What was uploaded, as it is stored."""
