"""The end of uploads that nobody uses, and of what broken uploads and deleted messages left."""

from __future__ import annotations

from datetime import timedelta

from domain.files import FileUse, StoredFile
from domain.instants import whole_milliseconds
from handlers.context import Context
from store.files import Check

_CLAIM_LASTS = timedelta(minutes=5)


async def sweep(context: Context) -> int:
    """Look at every file whose time has come; answers how many were taken away."""
    gone = 0
    while True:
        check = await context.store.files.claim_check(whole_milliseconds(context.clock()), _CLAIM_LASTS)
        if check is None:
            return gone
        gone += await _look_at(context, check)


async def _look_at(context: Context, check: Check) -> bool:
    if check.file is not None:
        ended = await _ended_uses(context, check.file)
        if not await context.store.files.settle(check, ended, whole_milliseconds(context.clock())):
            return False
    await context.store.files.remove(check.file_id)
    return True


async def _ended_uses(context: Context, file: StoredFile) -> tuple[FileUse, ...]:
    """Messages that were never written, or have been deleted; who has a profile says so itself."""
    ended = []
    for use in file.uses:
        if use.kind == "message":
            message = await context.store.log.read.message(use.id)
            if message is None or message.deleted_at is not None:
                ended.append(use)
    return tuple(ended)
