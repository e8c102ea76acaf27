"""The files of a message: the sender's own uploads, in use for as long as the message stands."""

from __future__ import annotations

from datetime import timedelta

from domain.commands.conversations import SendMessage
from domain.errors import DomainError
from domain.files import FileKind, FileUse
from domain.instants import whole_milliseconds
from domain.messages import MessageRecord
from handlers.actor import Actor
from handlers.context import Context
from handlers.files import using

# Longer than the log takes to accept a deletion, or to refuse it.
_DOOMED_AFTER = timedelta(seconds=60)


def count(said: SendMessage | MessageRecord) -> int:
    return len(said.image_urls) + len(said.video_urls) + len(said.pdf_urls)


async def claim(context: Context, actor: Actor, record: MessageRecord) -> None:
    """Raises ``validation_failed`` naming the first that is not a file of that kind that the sender uploaded.

    A repeat needs none of it: its files may have gone with the first message, which it is answered with.
    """
    use = _use(record)
    try:
        for field, kind, ids in _lists(record):
            for number, file_id in enumerate(ids):
                await using.claim(context, actor, file_id, kind=kind, use=use, field=f"{field}[{number}]")
    except DomainError:
        await withdraw(context, record)
        if not await context.store.log.read.has_sent(record):
            raise


async def withdraw(context: Context, record: MessageRecord) -> None:
    """The message was not written."""
    await using.withdraw(context, _use(record))


async def doom(context: Context, record: MessageRecord) -> None:
    """The message is about to be deleted: should nobody live to release its files, a sweep looks at them."""
    await context.store.files.recheck(_use(record), whole_milliseconds(context.clock()) + _DOOMED_AFTER)


async def release(context: Context, record: MessageRecord) -> None:
    """The message was deleted."""
    await using.release(context, _use(record))


def _use(record: MessageRecord) -> FileUse:
    return FileUse(kind="message", id=record.id, conversation_id=record.conversation_id, at=record.created_at)


def _lists(record: MessageRecord) -> tuple[tuple[str, FileKind, tuple[str, ...]], ...]:
    return (
        ("imageUrls", "image", record.image_urls),
        ("videoUrls", "video", record.video_urls),
        ("pdfUrls", "pdf", record.pdf_urls),
    )
