"""Taking a file in: to disk, recognised by its content, made harmless, and only then into the database.

Neither its name nor its sender is asked what it is; images are decoded and encoded anew, the rest is stored as it is.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta

import msgspec
import puremagic

from domain.errors import Code, DomainError, FieldError, invalid, rate_limited
from domain.file_formats import HEAD_BYTES, is_whole, type_of
from domain.files import KINDS, LARGEST, LIMITS, StoredFile, display_name
from domain.image_bounds import require_within_bounds
from domain.image_limits import ImageTooLarge, TooMuch
from domain.networks import network_of
from domain.stored import StoredFormat
from domain.wire.files import FileAnswer
from handlers.access import Actor
from handlers.context import UploadContext
from handlers.files.access import file_answer
from handlers.files.spool import Spool
from handlers.idempotency import claimed_once
from handlers.ports import Picture, Pictures
from handlers.request_digests import scope_of
from store import command_budget
from store.command_budget import BUDGET_SECONDS, Budget, stream_budget
from store.idempotency import Asked, Claim, StoredResult

# Of what begins with a box, puremagic recognises some brands and guesses at others.
_GUESSED = frozenset({"video/mp4", "video/quicktime", "image/heic"})


def content_type_of(head: bytes) -> str:
    """Our own signatures and puremagic's agree; raises ``unsupported_media``."""
    found = type_of(head)
    if found is None or (found not in _GUESSED and found not in _of_puremagic(head)):
        raise unsupported("Only JPEG, PNG, WebP, GIF, HEIC, MP4, MOV, WebM and PDF are taken.")
    return found


def _of_puremagic(head: bytes) -> set[str]:
    try:
        return {match.mime_type for match in puremagic.magic_string(head)}
    except (puremagic.PureError, ValueError):
        return set()


def unsupported(message: str) -> DomainError:
    return DomainError(Code.UNSUPPORTED_MEDIA, message)


def too_large(message: str, limit: str) -> DomainError:
    """``limit`` in words."""
    return DomainError(Code.PAYLOAD_TOO_LARGE, message, errors=(FieldError("file", limit),))


async def keep(context: UploadContext, actor: Actor, name: str | None, spool: Spool, content_type: str) -> StoredFile:
    """Raises ``unsupported_media`` for what is damaged, ``payload_too_large`` for an image with too many pixels or
    frames, ``unavailable`` when its turn does not come in time."""
    network = network_of(actor.address)
    if KINDS[content_type] != "image":
        # A large file is written as long as it takes; until that begins, the wait counts.
        budget = stream_budget(actor.user_id, network, before=BUDGET_SECONDS)
        async with context.storing.turn(actor.user_id, BUDGET_SECONDS, network):
            await asyncio.to_thread(_require_sound, content_type, spool)
            with command_budget.within(budget):
                return await _keep_as_it_is(context, actor, name, budget.streamed(spool.chunks()), spool, content_type)
    with command_budget.within(Budget(actor.user_id, network)):
        async with context.storing.turn(actor.user_id, command_budget.remaining(), network):
            await asyncio.to_thread(_require_sound, content_type, spool)
        # One at a time for each process that decodes: what it made is in memory until it is written.
        async with context.pictures.made(actor.user_id, network, spool.size, spool.chunks()) as pictures:
            return await _keep_image(context, actor, name, pictures)


async def _keep_as_it_is(
    context: UploadContext,
    actor: Actor,
    name: str | None,
    content: AsyncIterator[bytes],
    spool: Spool,
    content_type: str,
) -> StoredFile:
    stored = StoredFile(
        id=context.store.files.new_id(),
        owner_id=actor.user_id,
        kind=KINDS[content_type],
        content_type=content_type,
        size=spool.size,
        digest=spool.digest,
        name=display_name(name, content_type),
        created_at=context.now(),
    )
    await context.store.files.write(stored, content)
    return stored


async def _keep_image(context: UploadContext, actor: Actor, name: str | None, made: Pictures) -> StoredFile:
    """The image first: its record is what a sweep removes the thumbnail by."""
    files = context.store.files
    image = await _image(context, actor, made.image, name)
    small = await _image(context, actor, made.thumbnail, name)
    image = msgspec.structs.replace(image, thumbnail_id=small.id)
    await files.write(image, _once(made.image.content))
    try:
        await files.write(msgspec.structs.replace(small, thumbnail_of=image.id), _once(made.thumbnail.content))
    except BaseException:
        await asyncio.shield(files.remove(image.id))
        raise
    return image


async def _image(context: UploadContext, actor: Actor, picture: Picture, name: str | None) -> StoredFile:
    digest = await asyncio.to_thread(hashlib.sha256, picture.content)
    return StoredFile(
        id=context.store.files.new_id(),
        owner_id=actor.user_id,
        kind="image",
        content_type=picture.content_type,
        size=len(picture.content),
        digest=digest.hexdigest(),
        name=display_name(name, picture.content_type),
        width=picture.width,
        height=picture.height,
        created_at=context.now(),
    )


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content


# Of one user in a day.
DAILY_FILES, DAILY_BYTES = 1000, 5_000_000_000
_DAY = timedelta(days=1)
# What is kept of an upload under a key.
_RESULT = StoredFormat(StoredFile, msgspec.json)


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that is arriving; ``name`` is what its sender calls it."""

    name: str | None
    content: AsyncIterator[bytes]
    idempotency_key: str | None = None


async def upload(context: UploadContext, actor: Actor, command: Upload) -> FileAnswer:
    """Raises ``payload_too_large``, ``unsupported_media``, ``validation_failed``, ``rate_limited``, ``unavailable``.

    As long as it waits for its sender it holds some disk and nothing else.
    """
    await _require_quota(context, actor)
    with Spool(context.spooling, actor.user_id, network_of(actor.address)) as spool:
        content_type = await _receive(context, actor, spool, command.content)
        if command.idempotency_key is None:
            return file_answer(context, await keep(context, actor, command.name, spool, content_type))
        return await _upload_once(context, actor, command, spool, content_type)


async def _upload_once(
    context: UploadContext, actor: Actor, command: Upload, spool: Spool, content_type: str
) -> FileAnswer:
    """The key is looked up when the whole of what it came with is known; a repeat gets URLs that are good again.

    A server that dies before the key is kept leaves a file that was answered to nobody: unused, it goes after a day.
    """
    assert command.idempotency_key is not None
    digest = bytes.fromhex(spool.digest)
    scope = scope_of(actor.user_id, "file:upload", command.idempotency_key)

    async def begin(claimed: Claim) -> StoredFile:
        stored = await keep(context, actor, command.name, spool, content_type)
        await context.store.idempotency.keep(claimed, _RESULT.encode(stored), _RESULT.version)
        return stored

    async def recall(stored: StoredResult) -> StoredFile:
        assert stored.result is not None
        return _RESULT.decode(stored.result, stored.version)

    return file_answer(context, await claimed_once(context, scope, Asked(digest, (digest,)), begin, recall))


async def _require_quota(context: UploadContext, actor: Actor) -> None:
    count, size = await context.store.files.uploaded_since(actor.user_id, context.clock() - _DAY)
    if count >= DAILY_FILES or size >= DAILY_BYTES:
        raise rate_limited("Too many uploads in a day", 3_600_000)


async def _receive(context: UploadContext, actor: Actor, spool: Spool, content: AsyncIterator[bytes]) -> str:
    """The content's type, once all of it is here; refused as soon as it is known to be too large or none of ours."""
    content_type, limit = None, LARGEST
    async for chunk in content:
        await spool.write(chunk)
        if content_type is None and spool.size >= HEAD_BYTES:
            content_type = content_type_of(spool.head)
            limit = LIMITS[KINDS[content_type]]
            if KINDS[content_type] == "image":
                # Not only when all of it is here.
                context.pictures.require_seconds(actor.user_id, network_of(actor.address))
        if spool.size > limit:
            most = f"at most {limit // 1_000_000} MB ({limit:,} bytes)"
            raise too_large(f"A file of this kind has {most}.", f"{most} are taken")
    if spool.size == 0:
        raise invalid("file", "has to hold something: it is empty")
    await spool.flush()
    return content_type or content_type_of(spool.head)


def _require_sound(content_type: str, spool: Spool) -> None:
    """Waits for the disk; an adversary's file has many parts to be looked at.

    Raises ``unsupported_media``, for too many pixels or frames ``payload_too_large``.
    """
    if not is_whole(content_type, spool):
        raise unsupported("The file is damaged or incomplete.")
    try:
        require_within_bounds(content_type, spool)
    except ImageTooLarge as error:
        raise too_large(f"The image {error}.", error.limit) from None
    except TooMuch as error:
        raise unsupported(f"The image {error}.") from None
