"""Putting a file that arrived whole into the database: images decoded and encoded anew, the rest as it is."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator

import msgspec

from domain.files import KINDS, StoredFile, display_name
from domain.instants import whole_milliseconds
from handlers.actor import Actor
from handlers.context import Context
from handlers.files.spool import Spool
from handlers.ports import Picture, Pictures


async def keep(context: Context, actor: Actor, name: str | None, spool: Spool, content_type: str) -> StoredFile:
    """Raises ``unsupported_media`` for what is no whole image."""
    if KINDS[content_type] == "image":
        # One at a time for each process that decodes: what it made is in memory until it is written.
        async with context.pictures.made(spool.size, spool.chunks()) as pictures:
            return await _keep_image(context, actor, name, pictures)
    stored = StoredFile(
        id=context.store.files.new_id(),
        owner_id=actor.user_id,
        kind=KINDS[content_type],
        content_type=content_type,
        size=spool.size,
        digest=spool.digest,
        name=display_name(name, content_type),
        created_at=whole_milliseconds(context.clock()),
    )
    await context.store.files.write(stored, spool.chunks())
    return stored


async def _keep_image(context: Context, actor: Actor, name: str | None, made: Pictures) -> StoredFile:
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


async def _image(context: Context, actor: Actor, picture: Picture, name: str | None) -> StoredFile:
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
        created_at=whole_milliseconds(context.clock()),
    )


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content
