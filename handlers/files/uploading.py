"""Taking a file in: to disk, looked at, made harmless, and only then into the database."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta

import msgspec
import puremagic

from domain.containers import is_whole
from domain.errors import Code, DomainError, invalid
from domain.file_answers import FileAnswer
from domain.files import KINDS, LARGEST, LIMITS, FileKind, StoredFile, display_name
from domain.instants import whole_milliseconds
from handlers.actor import Actor
from handlers.context import Context
from handlers.files.spool import Spool
from handlers.files.views import file_answer
from handlers.ports import Picture

# What the first bytes have to tell.
_HEAD_BYTES = 4096
# Of one user in a day.
_DAILY_FILES, _DAILY_BYTES = 500, 5_000_000_000
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that is arriving; ``name`` is what its sender calls it."""

    name: str | None
    content: AsyncIterator[bytes]


async def upload(context: Context, actor: Actor, command: Upload) -> FileAnswer:
    """Raises ``payload_too_large``, ``unsupported_media``, ``validation_failed`` or ``rate_limited``."""
    await _require_quota(context, actor)
    with Spool() as spool:
        content_type = await _receive(spool, command.content)
        kind = KINDS[content_type]
        if kind == "image":
            stored = await _keep_image(context, actor, command, spool)
        else:
            stored = await _keep_as_is(context, actor, command, spool, content_type, kind)
    return file_answer(context, stored)


async def _require_quota(context: Context, actor: Actor) -> None:
    since = context.clock() - _DAY
    count, size = await context.store.files.uploaded_since(actor.user_id, since)
    if count >= _DAILY_FILES or size >= _DAILY_BYTES:
        raise DomainError(Code.RATE_LIMITED, "Too many uploads in a day.", retry_after_ms=3_600_000)


async def _receive(spool: Spool, content: AsyncIterator[bytes]) -> str:
    """The content's type, once all of it is here; refused as soon as it is known to be too large or none of ours."""
    content_type = None
    limit = LARGEST
    async for chunk in content:
        spool.write(chunk)
        if content_type is None and spool.size >= _HEAD_BYTES:
            content_type = _type_of(spool)
            limit = LIMITS[KINDS[content_type]]
        if spool.size > limit:
            raise _too_large(limit)
    if spool.size == 0:
        raise invalid("file", "is empty")
    content_type = content_type or _type_of(spool)
    if spool.size > LIMITS[KINDS[content_type]]:
        raise _too_large(limit)
    if not is_whole(content_type, spool):
        raise _unsupported("The file is damaged or incomplete.")
    return content_type


def _type_of(spool: Spool) -> str:
    """By what the content begins with; neither its name nor its sender is asked."""
    try:
        best: str = puremagic.magic_string(spool.part(0, _HEAD_BYTES))[0].mime_type
    except (puremagic.PureError, ValueError, IndexError):
        best = ""
    if best not in KINDS:
        raise _unsupported("Only JPEG, PNG, WebP, GIF, MP4, MOV, WebM and PDF are taken.")
    return best


async def _keep_as_is(
    context: Context, actor: Actor, command: Upload, spool: Spool, content_type: str, kind: FileKind
) -> StoredFile:
    stored = StoredFile(
        id=context.store.files.new_id(),
        owner_id=actor.user_id,
        kind=kind,
        content_type=content_type,
        size=spool.size,
        digest=spool.digest,
        name=display_name(command.name, kind),
        created_at=whole_milliseconds(context.clock()),
    )
    await context.store.files.write(stored, spool.chunks())
    return stored


async def _keep_image(context: Context, actor: Actor, command: Upload, spool: Spool) -> StoredFile:
    """Decoded and encoded anew: no metadata and nothing hidden survives. The thumbnail is there first."""
    made = await context.pictures.make(spool.size, spool.chunks())
    name = display_name(command.name, "image").rpartition(".")[0] or "image"
    image_id, thumbnail_id = context.store.files.new_id(), context.store.files.new_id()
    image = _image(context, actor, made.image, image_id, f"{name}{_ENDINGS[made.image.content_type]}")
    small = _image(context, actor, made.thumbnail, thumbnail_id, f"{name} small{_ENDINGS[made.thumbnail.content_type]}")
    files = context.store.files
    await files.write(_with(image, thumbnail_id=thumbnail_id), _once(made.image.content))
    try:
        await files.write(_with(small, thumbnail_of=image_id), _once(made.thumbnail.content))
    except BaseException:
        await files.remove(image_id)
        raise
    return _with(image, thumbnail_id=thumbnail_id)


_ENDINGS = {"image/jpeg": ".jpg", "image/png": ".png", "image/webp": ".webp", "image/gif": ".gif"}


def _image(context: Context, actor: Actor, picture: Picture, file_id: str, name: str) -> StoredFile:
    return StoredFile(
        id=file_id,
        owner_id=actor.user_id,
        kind="image",
        content_type=picture.content_type,
        size=len(picture.content),
        digest=hashlib.sha256(picture.content).hexdigest(),
        name=name,
        width=picture.width,
        height=picture.height,
        created_at=whole_milliseconds(context.clock()),
    )


def _with(file: StoredFile, *, thumbnail_id: str | None = None, thumbnail_of: str | None = None) -> StoredFile:
    return msgspec.structs.replace(file, thumbnail_id=thumbnail_id, thumbnail_of=thumbnail_of)


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content


def _too_large(limit: int) -> DomainError:
    return DomainError(Code.PAYLOAD_TOO_LARGE, f"A file of this kind has at most {limit // 1_000_000} MB.")


def _unsupported(message: str) -> DomainError:
    return DomainError(Code.UNSUPPORTED_MEDIA, message)
