"""What uses a file, recorded before it is used so that no sweep comes in between; and the sweep of unused ones."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial

from domain.errors import invalid
from domain.files import UNCONFIRMED_KEPT, FileKind, FileUse, StoredFile
from handlers.access import Actor
from handlers.context import ReadContext
from handlers.jobs import FILE_SWEEPS, Job
from store.files import Finding
from store.work_queue import WorkRow


async def claim(context: ReadContext, actor: Actor, file_id: str, *, kind: FileKind, use: FileUse, field: str) -> None:
    """Raises ``validation_failed`` for ``field`` unless it is the actor's own upload of that kind."""
    now = context.now()
    if not await context.store.files.claim(file_id, actor.user_id, kind, use, now):
        raise invalid(field, f"has to be the id of a file of this kind ({kind}) that you uploaded")


async def withdraw(context: ReadContext, use: FileUse) -> None:
    """What was to use them was not written; they stay as they were."""
    await context.store.files.withdraw(use, context.now())


async def release(context: ReadContext, use: FileUse, *, exclude: tuple[str, ...] = ()) -> None:
    """It uses nothing any more, but the files named; what nothing else uses is gone at once."""
    await context.store.files.release(use, context.now(), exclude=exclude)


def file_sweeps_job(context: ReadContext) -> Job:
    """Looks at every file whose time has come."""
    return Job(
        FILE_SWEEPS,
        context.store.files.queue,
        partial(_look_at, context),
        lease=timedelta(minutes=5),
        poll=timedelta(seconds=30),
    )


async def _look_at(context: ReadContext, claimed: WorkRow) -> bool:
    """Whether the file was taken away."""
    check = context.store.files.check(claimed)
    finding = Finding() if check.file is None else await _look_into(context, check.file)
    if not await context.store.files.finish_check(check, finding, context.now()):
        return False
    await context.store.files.remove(check.file_id)
    return True


async def _look_into(context: ReadContext, file: StoredFile) -> Finding:
    """Only messages are asked: fields of profiles take and leave their files in the commit of the change."""
    ended, unborn, undecided = [], [], []
    for use in file.uses:
        if use.kind != "message":
            continue
        message = await context.store.log.read.message(use.id)
        if message is not None:
            ended += [use] if message.deleted_at is not None else []
        elif (until := _may_still_be_written(use)) is not None and until > context.clock():
            undecided.append(until)
        else:
            unborn.append(use)
    return Finding(ended=tuple(ended), unborn=tuple(unborn), again_at=min(undecided, default=None))


def _may_still_be_written(use: FileUse) -> datetime | None:
    return None if use.at is None else use.at + UNCONFIRMED_KEPT
