"""Sending and changing messages: each is an entry of the conversation's log."""

from __future__ import annotations

from collections.abc import Callable

from domain import rooms
from domain.answers import MessageAnswer
from domain.commands.conversations import DeleteMessage, EditMessage, ReactToMessage, SendMessage
from domain.conversations import Membership
from domain.errors import Code, DomainError, invalid
from domain.events import MessageNew, MessageUpdated
from domain.instants import whole_milliseconds
from domain.messages import (
    Change,
    ChangeKind,
    Message,
    MessageRecord,
    body_digest,
    changes_nothing,
    check_body,
    check_delete,
    check_edit,
    check_reaction,
)
from handlers import access, attachments, introductions, views
from handlers.actor import Actor
from handlers.context import Context
from handlers.idempotent import idempotent_message
from store.log.log import AppendedChange


@idempotent_message
async def send_message(context: Context, actor: Actor, command: SendMessage) -> MessageAnswer:
    """Append a message; a repeated ``clientMessageId`` answers the first one and announces nothing."""
    attached = attachments.count(command)
    check_body(command.text, attached)
    record = _record(context, actor, command)
    async with actor.turn:
        member = await access.membership(context, actor, command.conversation_id)
        await _check_reply(context, member, command)
        if attached:
            await attachments.claim(context, actor, record)
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
            await attachments.withdraw(context, record)
        raise
    if isinstance(sent, MessageRecord):
        if attached and sent.id != record.id:
            await attachments.withdraw(context, record)
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
        ends_files = change.kind == "delete" and attachments.count(record) > 0
        if ends_files:
            await attachments.doom(context, record)

        def announce(applied: AppendedChange) -> None:
            # What was told as seen in the meantime must not be told as unseen again.
            message = views.seen_message(context, applied.target, views.caught_up(context, participants))
            event = MessageUpdated(
                conversation_id=record.conversation_id, seq=applied.seq, change=change.kind, message=message
            )
            context.publisher.publish(event, *map(rooms.user, member.user_ids))

        appending = context.store.log.append_change(change, announce)
    applied = await appending
    if ends_files:
        await attachments.release(context, record)
    return MessageAnswer(message=views.seen_message(context, applied.target, views.caught_up(context, participants)))
