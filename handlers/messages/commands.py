"""Sending and changing messages: each is an entry of the conversation's log.

The files of a message: the sender's own uploads, in use for as long as the message stands.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import msgspec

from domain import rooms
from domain.conversations import Membership
from domain.errors import Code, DomainError, invalid
from domain.files import FileKind, FileUse
from domain.messages import (
    Change,
    ChangeKind,
    Message,
    MessageRecord,
    body_digest,
    change_key,
    changes_nothing,
    check_body,
    check_delete,
    check_edit,
    check_reaction,
)
from domain.times import whole_milliseconds
from domain.wire.conversations import DeleteMessage, EditMessage, MessageAnswer, ReactToMessage, SendMessage
from domain.wire.events import MessageNew, MessageUpdated
from handlers import access
from handlers.access import Actor
from handlers.context import Context
from handlers.files import uses
from handlers.idempotency import idempotent_message
from handlers.messages import views
from handlers.messages import views as introductions
from store.log.log import AppendedChange


@idempotent_message
async def send_message(context: Context, actor: Actor, command: SendMessage) -> MessageAnswer:
    """Append a message; a repeated ``clientMessageId`` answers the first one and announces nothing."""
    attached = count(command)
    check_body(command.text, attached)
    record = _record(context, actor, command)
    async with actor.turn:
        member = await access.membership(context, actor, command.conversation_id)
        await _check_reply(context, member, command)
        if attached:
            await claim(context, actor, record)
        introduction = await introductions.prepare(context, member)

        def announce(record: MessageRecord) -> Message:
            message = views.message_view(context, record, seen=False)
            if message.seq == 1:
                introductions.publish(context, introduction, message)
            event = MessageNew(conversation_id=message.conversation_id, seq=message.seq, message=message)
            context.publisher.publish(event, *map(rooms.user, member.user_ids))
            return message

        appending = context.store.log.append_message(record, announce)
    try:
        sent = await appending
    except DomainError as error:
        if attached and error.code is Code.IDEMPOTENCY_CONFLICT:
            await withdraw(context, record)
        raise
    if isinstance(sent, MessageRecord):
        if attached and sent.id != record.id:
            await withdraw(context, record)
        (repeated,) = await views.seen_messages(context, [sent])
        return MessageAnswer(message=repeated)
    context.typing.set(member, actor.user_id, active=False)
    return MessageAnswer(message=sent)


@idempotent_message
async def edit_message(context: Context, actor: Actor, command: EditMessage) -> MessageAnswer:
    """New words for one's own message."""
    check_body(command.text, 0)

    def decide(record: MessageRecord) -> Change:
        check_edit(record, actor.user_id)
        return _new_change(context, actor, record, "edit", text=command.text)

    return await _change(context, actor, command.message_id, decide)


@idempotent_message
async def delete_message(context: Context, actor: Actor, command: DeleteMessage) -> MessageAnswer:
    """Take one's own message back; what it said is removed from the log as well."""

    def decide(record: MessageRecord) -> Change:
        check_delete(record, actor.user_id)
        return _new_change(context, actor, record, "delete")

    return await _change(context, actor, command.message_id, decide)


@idempotent_message
async def react_to_message(context: Context, actor: Actor, command: ReactToMessage) -> MessageAnswer:
    """Put an emoji on a message, or take it off."""

    def decide(record: MessageRecord) -> Change:
        check_reaction(record, actor.user_id, command.emoji, remove=command.remove)
        return _new_change(context, actor, record, "reaction", emoji=command.emoji, remove=command.remove)

    return await _change(context, actor, command.message_id, decide)


async def _check_reply(context: Context, member: Membership, command: SendMessage) -> None:
    if command.reply_to is None:
        return
    target = await context.store.log.read.message(command.reply_to)
    if target is None or target.conversation_id != member.conversation_id:
        raise invalid("replyTo", "is not a message of this conversation")


def _record(context: Context, actor: Actor, command: SendMessage) -> MessageRecord:
    now = whole_milliseconds(context.clock())
    files = (command.image_urls, command.video_urls, command.pdf_urls)
    return MessageRecord(
        id=context.store.log.new_id(),
        conversation_id=command.conversation_id,
        sender_id=actor.user_id,
        client_message_id=command.client_message_id,
        text=command.text or None,
        image_urls=command.image_urls,
        video_urls=command.video_urls,
        pdf_urls=command.pdf_urls,
        reply_to=command.reply_to,
        digest=body_digest(command.text or None, files, command.reply_to),
        created_at=now,
        updated_at=now,
    )


def _new_change(
    context: Context,
    actor: Actor,
    record: MessageRecord,
    kind: ChangeKind,
    *,
    text: str | None = None,
    emoji: str | None = None,
    remove: bool = False,
) -> Change:
    return Change(
        id=context.store.log.new_id(),
        conversation_id=record.conversation_id,
        sender_id=actor.user_id,
        kind=kind,
        target=record.id,
        text=text,
        emoji=emoji,
        remove=remove,
        created_at=whole_milliseconds(context.clock()),
    )


async def _change(
    context: Context, actor: Actor, message_id: str, decide: Callable[[MessageRecord], Change]
) -> MessageAnswer:
    """Append the change that was decided on, unless the message already is what it would become."""
    async with actor.turn:
        member, record = await access.message(context, actor, message_id)
        change = decide(record)
        participants = (await context.store.conversations.participants([record.conversation_id]))[
            record.conversation_id
        ]
        if changes_nothing(record, change):
            return MessageAnswer(message=views.seen_message(context, record, participants))
        ends_files = change.kind == "delete" and count(record) > 0
        if ends_files:
            await doom(context, record)

        def announce(applied: AppendedChange) -> None:
            # What was told as seen in the meantime must not be told as unseen again.
            message = views.seen_message(context, applied.target, views.caught_up(context, participants))
            event = MessageUpdated(
                conversation_id=record.conversation_id, seq=applied.seq, change=change.kind, message=message
            )
            context.publisher.publish(event, *map(rooms.user, member.user_ids))

        keyed = msgspec.structs.replace(change, key=change_key(record, change))
        appending = context.store.log.append_change(keyed, announce)
    applied = await appending
    if ends_files:
        await release(context, record)
    return MessageAnswer(message=views.seen_message(context, applied.target, views.caught_up(context, participants)))


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
                await uses.claim(context, actor, file_id, kind=kind, use=use, field=f"{field}[{number}]")
    except DomainError:
        await withdraw(context, record)
        if not await context.store.log.read.has_sent(record):
            raise


async def withdraw(context: Context, record: MessageRecord) -> None:
    """The message was not written."""
    await uses.withdraw(context, _use(record))


async def doom(context: Context, record: MessageRecord) -> None:
    """The message is about to be deleted: should nobody live to release its files, a sweep looks at them."""
    await context.store.files.recheck(_use(record), whole_milliseconds(context.clock()) + _DOOMED_AFTER)


async def release(context: Context, record: MessageRecord) -> None:
    """The message was deleted."""
    await uses.release(context, _use(record))


def _use(record: MessageRecord) -> FileUse:
    return FileUse(kind="message", id=record.id, conversation_id=record.conversation_id, at=record.created_at)


def _lists(record: MessageRecord) -> tuple[tuple[str, FileKind, tuple[str, ...]], ...]:
    return (
        ("imageUrls", "image", record.image_urls),
        ("videoUrls", "video", record.video_urls),
        ("pdfUrls", "pdf", record.pdf_urls),
    )
