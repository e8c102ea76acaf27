"""Files as clients see them: by URLs."""

from __future__ import annotations

import msgspec

from domain.file_answers import FileAnswer
from domain.files import StoredFile
from handlers.context import Context


def file_answer(context: Context, file: StoredFile) -> FileAnswer:
    return FileAnswer(
        id=file.id,
        url=context.files.signed(file.id),
        content_type=file.content_type,
        size=file.size,
        width=file.width if file.width is not None else msgspec.UNSET,
        height=file.height if file.height is not None else msgspec.UNSET,
        thumbnail_url=context.files.signed(file.thumbnail_id) if file.thumbnail_id else msgspec.UNSET,
    )


def url_or_none(context: Context, file_id: str | None) -> str | None:
    """The URL of a picture that need not be there."""
    return context.files.signed(file_id) if file_id else None
