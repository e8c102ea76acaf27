"""What uses a file: said before it is used, so that no sweep comes in between."""

from __future__ import annotations

from domain.errors import invalid
from domain.files import FileKind, FileUse
from domain.instants import whole_milliseconds
from handlers.actor import Actor
from handlers.context import Context


async def claim(context: Context, actor: Actor, file_id: str, *, kind: FileKind, use: FileUse, field: str) -> None:
    """Raises ``validation_failed`` for ``field`` unless it is the actor's own upload of that kind."""
    now = whole_milliseconds(context.clock())
    if not await context.store.files.claim(file_id, actor.user_id, kind, use, now):
        raise invalid(field, f"is not a file of this kind ({kind}) that you uploaded")


async def withdraw(context: Context, use: FileUse) -> None:
    """What was to use them was not written; they stay as they were."""
    await context.store.files.withdraw(use, whole_milliseconds(context.clock()))


async def release(context: Context, use: FileUse, *, but: tuple[str, ...] = ()) -> None:
    """It uses nothing any more, but the files named; what nothing else uses is gone at once."""
    await context.store.files.release(use, whole_milliseconds(context.clock()), but=but)
