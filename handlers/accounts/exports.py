"""Everything about oneself as one archive: asked for, made by durable work, told by mail, fetched by a signed URL.

It is written into the store as it is made: no more of it is in memory than a batch of documents or a piece of a file.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import partial
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

import msgspec

from domain.accounts import User
from domain.files import StoredFile, url_expiry
from domain.times import to_wire
from domain.wire.accounts import ExportAnswer
from handlers import mails
from handlers.access import Actor
from handlers.context import AccountContext
from handlers.jobs import EXPORTS, FILE_SWEEPS, Job, Postponed
from store.database import Document
from store.personal_data import PARTS
from store.work_queue import WorkRow

# Of one person: a new archive no more often, and so many bytes of files in it.
EVERY = timedelta(hours=24)
MOST_FILE_BYTES = 2_000_000_000
_README = """Everything that Spotter holds about you, as of {at}.

Each .jsonl file has one record a line, as JSON; instants are in UTC. messages.jsonl has your conversations, both sides,
as you can read them. files/ has what you uploaded, under the ids of files.jsonl{left_out}. Passwords and codes are not
here: they are kept in a form that nobody can read, or not at all.
"""


async def request_export(context: AccountContext, actor: Actor, command: None) -> ExportAnswer:
    """One is made a day at most: until then the last one is answered."""
    if await context.store.exports.request(actor.user_id, context.now(), EVERY):
        context.wake_ups.wake(EXPORTS)
    return await get_export(context, actor, None)


async def get_export(context: AccountContext, actor: Actor, command: None) -> ExportAnswer:
    """``url`` is signed anew each time, and good until ``expires_at``; the archive may stay longer."""
    now = context.now()
    export = await context.store.exports.of(actor.user_id)
    if export is None or (export.expires_at is not None and export.expires_at <= now):
        return ExportAnswer(status="none")
    if export.file_id is None or export.expires_at is None:
        return ExportAnswer(status="failed" if export.failed else "pending")
    until = min(datetime.fromtimestamp(url_expiry(now), UTC), export.expires_at)
    return ExportAnswer(status="ready", url=context.files.signed(export.file_id), expires_at=to_wire(until))


def exports_job(context: AccountContext) -> Job:
    # Two gigabytes are on their way for minutes.
    return Job(
        EXPORTS,
        context.store.exports.queue,
        partial(_export, context),
        lease=timedelta(minutes=15),
        at_once=1,
        poll=timedelta(seconds=5),
    )


async def _export(context: AccountContext, claimed: WorkRow) -> None:
    export = context.store.exports.row(claimed)
    user = await context.store.users.by_id(export.user_id)
    if user is None or user.is_deleted:
        return
    if export.file_id is None:
        # An earlier one, or what a node left that died.
        await context.store.files.let_archives_go(user.id, context.now())
        context.wake_ups.wake(FILE_SWEEPS)
        made = await _write(context, user)
        assert made.kept_until is not None
        if not await context.store.exports.ready(export, made.id, made.kept_until):
            await context.store.files.remove(made.id)
            return
    # Nobody can guess when, to the millisecond: each try is the same message.
    key = context.secrets.keyed_hash("export-mail", f"{user.id} {to_wire(export.requested_at)}")
    if not await context.mailer.deliver(mails.export_ready(user.email, context.exports_kept, key)):
        raise Postponed


async def _write(context: AccountContext, user: User) -> StoredFile:
    now = context.now()
    file = StoredFile(
        id=context.store.files.new_id(),
        owner_id=user.id,
        kind="archive",
        content_type="application/zip",
        size=0,
        digest="",
        name=f"spotter-export-{now.date().isoformat()}.zip",
        created_at=now,
        kept_until=now + context.exports_kept,
    )
    return await context.store.files.write_measured(file, _archive(context, user, now))


class _Sink(io.RawIOBase):
    """Where the archive is written to; it is taken from here piece by piece."""

    def __init__(self) -> None:
        self._data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: bytes | bytearray | memoryview, /) -> int:  # type: ignore[override]
        self._data += data
        return len(data)

    def take(self) -> bytes:
        taken, self._data = bytes(self._data), bytearray()
        return taken


async def _archive(context: AccountContext, user: User, now: datetime) -> AsyncIterator[bytes]:
    data = context.store.personal_data
    person = data.person(user.id, user.role, user.profile_id)
    sink = _Sink()
    with ZipFile(sink, "w") as archive:
        for part in PARTS:
            if part.whose(person) is not None:
                async for piece in _lines(archive, sink, part.name, now, data.documents(part, person)):
                    yield piece
        async for piece in _lines(archive, sink, "messages", now, data.messages(person)):
            yield piece
        left_out = 0
        room = MOST_FILE_BYTES
        async for file in context.store.files.uploads_of(user.id):
            if file.size > room:
                left_out += 1
                continue
            room -= file.size
            with archive.open(_info(f"files/{file.id}-{file.name}", now, ZIP_STORED), "w", force_zip64=True) as entry:
                async for chunk in context.store.files.read(file.id, 0, file.size):
                    entry.write(chunk)
                    yield sink.take()
        note = f", but for {left_out} that were too large together" if left_out else ""
        archive.writestr(_info("README.txt", now), _README.format(at=to_wire(now), left_out=note))
    yield sink.take()


async def _lines(
    archive: ZipFile, sink: _Sink, name: str, now: datetime, batches: AsyncIterator[list[Document]]
) -> AsyncIterator[bytes]:
    with archive.open(_info(f"{name}.jsonl", now), "w", force_zip64=True) as entry:
        async for batch in batches:
            await asyncio.to_thread(entry.write, _encoded(batch))
            yield sink.take()
    yield sink.take()


def _encoded(batch: list[Document]) -> bytes:
    return b"".join(msgspec.json.encode(one) + b"\n" for one in batch)


def _info(name: str, now: datetime, compression: int = ZIP_DEFLATED) -> ZipInfo:
    info = ZipInfo(name, now.timetuple()[:6])
    info.compress_type = compression
    info.external_attr = 0o600 << 16
    return info
