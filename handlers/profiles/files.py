"""The file fields of profiles and certificates: ids in commands and in the store, signed URLs in answers."""

from __future__ import annotations

from handlers.context import Context


def signed(context: Context, file_id: str | None) -> str | None:
    return file_id


def signed_all(context: Context, file_ids: tuple[str, ...]) -> tuple[str, ...]:
    return file_ids
