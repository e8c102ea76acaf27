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
from handlers.files.using import claim as claim_file
from handlers.files.using import release as release_use

# Longer than the log takes to accept a deletion, or to refuse it.
_DOOMED_AFTER = timedelta(seconds=60)


def count(command: SendMessage) -> int:
    return len(command.image_urls) + len(command.video_urls) + len(command.pdf_urls)


async def claim(context: Context, actor: Actor, record: MessageRecord) -> None:
    """Raises ``validation_failed`` naming the first that is not a file of that kind that the sender uploaded."""
    use = _use(record)
    try:
        for field, kind, ids in _lists(record):
            for number, file_id in enumerate(ids):
                await claim_file(context, actor, file_id, kind=kind, use=use, field=f"{field}[{number}]")
    except DomainError:
        await release(context, record)
        raise


async def release(context: Context, record: MessageRecord) -> None:
    """The message was not written."""
    if _has_any(record):
        await release_use(context, _use(record))


async def doom(context: Context, record: MessageRecord) -> None:
    """The message is about to be deleted; whatever becomes of that, its files are looked at afterwards."""
    if _has_any(record):
        at = whole_milliseconds(context.clock()) + _DOOMED_AFTER
        await context.store.files.recheck(_use(record), at)


def _use(record: MessageRecord) -> FileUse:
    return FileUse(kind="message", id=record.id, conversation_id=record.conversation_id)


def _lists(record: MessageRecord) -> tuple[tuple[str, FileKind, tuple[str, ...]], ...]:
    return (
        ("imageUrls", "image", record.image_urls),
        ("videoUrls", "video", record.video_urls),
        ("pdfUrls", "pdf", record.pdf_urls),
    )


def _has_any(record: MessageRecord) -> bool:
    return bool(record.image_urls or record.video_urls or record.pdf_urls)
