"""Taking a file in: to disk, looked at, made harmless, and only then into the database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta

import msgspec

from domain import wire
from domain.containers import is_whole
from domain.errors import Code, DomainError, invalid
from domain.file_answers import FileAnswer
from domain.files import KINDS, LARGEST, LIMITS, StoredFile
from domain.signatures import HEAD_BYTES
from handlers.actor import Actor
from handlers.context import Context
from handlers.files.keeping import keep
from handlers.files.recognising import content_type_of, unsupported
from handlers.files.spool import Spool
from handlers.files.views import file_answer
from handlers.idempotent import claim
from store.idempotency import Scope

# Of one user in a day.
DAILY_FILES, DAILY_BYTES = 1000, 5_000_000_000
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that is arriving; ``name`` is what its sender calls it."""

    name: str | None
    content: AsyncIterator[bytes]
    idempotency_key: str | None = None


async def upload(context: Context, actor: Actor, command: Upload) -> FileAnswer:
    """Raises ``payload_too_large``, ``unsupported_media``, ``validation_failed`` or ``rate_limited``."""
    await _require_quota(context, actor)
    with Spool() as spool:
        content_type = await _receive(spool, command.content)
        if command.idempotency_key is None:
            return file_answer(context, await keep(context, actor, command.name, spool, content_type))
        return await _once(context, actor, command, spool, content_type)


async def _once(context: Context, actor: Actor, command: Upload, spool: Spool, content_type: str) -> FileAnswer:
    """The key is looked up when the whole of what it came with is known; a repeat gets URLs that are good again.

    A server that dies before the key is kept leaves a file of which nobody was told: unused, it goes after a day.
    """
    assert command.idempotency_key is not None
    scope = Scope(actor.user_id, Upload.__name__, command.idempotency_key)
    claimed = await claim(context, scope, bytes.fromhex(spool.digest))
    if isinstance(claimed, bytes):
        return file_answer(context, wire.decode(StoredFile, claimed))
    try:
        stored = await keep(context, actor, command.name, spool, content_type)
    except BaseException:
        await asyncio.shield(context.store.idempotency.release(claimed))
        raise
    # A name may be personal, and no answer tells it.
    await context.store.idempotency.keep(claimed, wire.encode(msgspec.structs.replace(stored, name="")))
    return file_answer(context, stored)


async def _require_quota(context: Context, actor: Actor) -> None:
    count, size = await context.store.files.uploaded_since(actor.user_id, context.clock() - _DAY)
    if count >= DAILY_FILES or size >= DAILY_BYTES:
        raise DomainError(Code.RATE_LIMITED, "Too many uploads in a day.", retry_after_ms=3_600_000)


async def _receive(spool: Spool, content: AsyncIterator[bytes]) -> str:
    """The content's type, once all of it is here; refused as soon as it is known to be too large or none of ours."""
    content_type, limit = None, LARGEST
    async for chunk in content:
        await spool.write(chunk)
        if content_type is None and spool.size >= HEAD_BYTES:
            content_type = content_type_of(spool.head)
            limit = LIMITS[KINDS[content_type]]
        if spool.size > limit:
            raise DomainError(Code.PAYLOAD_TOO_LARGE, f"A file of this kind has at most {limit // 1_000_000} MB.")
    if spool.size == 0:
        raise invalid("file", "is empty")
    await spool.flush()
    content_type = content_type or content_type_of(spool.head)
    # An adversary's video has many parts to be looked at.
    if not await asyncio.to_thread(is_whole, content_type, spool):
        raise unsupported("The file is damaged or incomplete.")
    return content_type
