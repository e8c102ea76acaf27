"""Commands and answers of files."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from domain.files import FileObject
from domain.wire.base import Command
from domain.wire.fields import MAX_SEQ, Id


class OpenFile(Command, frozen=True, kw_only=True):
    """By a signed URL, or by whoever may see the file."""

    id: Id
    expires: Annotated[int, Meta(ge=0, le=MAX_SEQ, description="in seconds since 1970")] | None = None
    signature: str | None = None


class FileAnswer(FileObject, frozen=True, kw_only=True):
    """What was uploaded, as it is stored."""
