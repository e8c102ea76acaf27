"""Serving a file to whoever holds its signed URL or may see it; files as URLs in answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from domain.errors import not_found
from domain.files import AttachedFile, StoredFile, display_name
from domain.wire.files import FileAnswer, OpenFile
from handlers.access import Actor, Visitor
from handlers.context import ReadContext


async def open_file(context: ReadContext, caller: Actor | Visitor, command: OpenFile) -> StoredFile:
    """The file; raises ``not_found`` also for what the caller may not see.

    What a blocked user uploaded is for administrators only, whatever was signed before.
    """
    signed = command.signature is not None and command.expires is not None
    if signed and not context.files.verifies(command.id, command.expires or 0, command.signature or ""):
        raise not_found("file")
    file = await context.store.files.by_id(command.id)
    # A thumbnail is as much there, and for whom, as the image that it shows.
    shown = file
    if file is not None and file.thumbnail_of is not None:
        shown = await context.store.files.by_id(file.thumbnail_of)
    if file is None or shown is None:
        raise not_found("file")
    if not signed and not (isinstance(caller, Actor) and await _may_see(context, caller, shown)):
        raise not_found("file")
    is_admin = isinstance(caller, Actor) and caller.is_admin
    if not is_admin and await context.store.users.is_blocked(file.owner_id):
        raise not_found("file")
    return file


async def _may_see(context: ReadContext, actor: Actor, file: StoredFile) -> bool:
    """The owner and administrators, everybody what is on a profile, and both sides what was sent; an archive of
    everything about somebody its owner alone."""
    if file.kind == "archive":
        return actor.user_id == file.owner_id
    if actor.is_admin or actor.user_id == file.owner_id:
        return True
    if file.is_public:
        return True
    conversations = {use.conversation_id for use in file.uses if use.conversation_id is not None}
    return bool(conversations and await context.store.conversations.memberships(conversations, actor.user_id))


def file_answer(context: ReadContext, file: StoredFile) -> FileAnswer:
    return FileAnswer(**_fields_of(context, file))


def attached(context: ReadContext, file: StoredFile, field: str) -> AttachedFile:
    return AttachedFile(**_fields_of(context, file), field=field)


def attachments(
    context: ReadContext, files: Mapping[str, StoredFile], fields: Iterable[tuple[str, Iterable[str]]]
) -> tuple[AttachedFile, ...]:
    """The files of some fields, in their order; ``files``: by their ids, those that are there."""
    return tuple(attached(context, files[one], field) for field, ids in fields for one in ids if one in files)


def _fields_of(context: ReadContext, file: StoredFile) -> dict[str, Any]:
    return {
        "id": file.id,
        "url": context.files.signed(file.id),
        "content_type": file.content_type,
        "size": file.size,
        # What earlier versions kept under a key has no name.
        "name": file.name or display_name(None, file.content_type),
        "width": file.width if file.width is not None else msgspec.UNSET,
        "height": file.height if file.height is not None else msgspec.UNSET,
        "thumbnail_url": context.files.signed(file.thumbnail_id) if file.thumbnail_id else msgspec.UNSET,
    }


def url_or_none(context: ReadContext, file_id: str | None) -> str | None:
    """The URL of a picture that need not be there."""
    return context.files.signed(file_id) if file_id else None
