"""Commands and answers of files."""

from __future__ import annotations

import msgspec

from domain.wire.base import Answer, Command
from domain.wire.fields import Id


class OpenFile(Command, frozen=True, kw_only=True):
    """By a signed URL, or by whoever may see the file."""

    id: Id
    expires: int | None = None
    signature: str | None = None


class FileAnswer(Answer, frozen=True, kw_only=True):
    """``url`` and ``thumbnail_url`` are paths below the server's address, good for a day without a header."""

    id: str
    url: str
    content_type: str
    size: int
    width: int | msgspec.UnsetType = msgspec.UNSET
    height: int | msgspec.UnsetType = msgspec.UNSET
    thumbnail_url: str | msgspec.UnsetType = msgspec.UNSET
