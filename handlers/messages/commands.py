"""Sending and changing messages: each is an entry of the conversation's log, and uses its attachments."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial

import msgspec

from domain import rooms
from domain.conversations import Membership
from domain.errors import Code, DomainError, invalid
from domain.files import FileKind, FileUse
from domain.messages import (
    ChangeKind,
    MessageChange,
    MessageRecord,
    body_digest,
    change_key,
    changes_nothing,
    check_body,
    check_delete,
    check_edit,
    check_reaction,
    effect_key,
    reaction_emoji,
    shown,
)
from domain.moderation import blocked_between
from domain.wire.conversations import DeleteMessage, EditMessage, MessageAnswer, ReactToMessage, SendMessage
from domain.wire.events import MessageUpdated
from handlers import access
from handlers.access import Actor
from handlers.context import ConversationContext
from handlers.files import uses
from handlers.messages import views
from handlers.messages.keyed import idempotent_message
from handlers.messages.publishing import entry_publisher
from handlers.request_digests import digest_of
from store.log.log import AppendedChange

# What keys of changes are kept under, in the log and beside it.
_EDIT, _DELETE, _REACT = "message:edit", "message:delete", "message:react"
_NAMES = {EditMessage: _EDIT, DeleteMessage: _DELETE, ReactToMessage: _REACT}


@idempotent_message("message:send")
async def send_message(context: ConversationContext, actor: Actor, command: SendMessage) -> MessageAnswer:
    """Append a message; a repeated ``clientMessageId`` answers the first one and publishes nothing."""
    attached = _files_count(command)
    check_body(command.text, attached)
    record = _record(context, actor, command)
    async with actor.submit_lock:
        member = await access.membership(context, actor, command.conversation_id)
        if not context.store.user_blocks.is_known_open(*member.user_ids):
            await _require_no_block(context, member, record)
        if command.reply_to is not None:
            await _check_reply(context, member, command.reply_to)
        files = views.NO_FILES
        if attached:
            await _claim_files(context, actor, record)
            files = await views.files_of(context, [record])
        view = partial(views.message_view, context, files=files, seen=False)
        appending = context.store.log.append_message(record, await entry_publisher(context, member, view))
    try:
        sent = await appending
    except DomainError as error:
        if attached and error.code is Code.IDEMPOTENCY_CONFLICT:
            await _withdraw_files(context, record)
        raise
    if isinstance(sent, MessageRecord):
        if attached and sent.id != record.id:
            await _withdraw_files(context, record)
        (repeated,) = await views.seen_messages(context, [sent])
        return MessageAnswer(message=repeated)
    context.typing.set(member, actor.user_id, active=False)
    return MessageAnswer(message=sent)


@idempotent_message(_EDIT)
async def edit_message(context: ConversationContext, actor: Actor, command: EditMessage) -> MessageAnswer:
    """New words for one's own message, or none beside attachments."""

    def decide(record: MessageRecord) -> MessageChange:
        check_edit(record, actor.user_id, command.text)
        return _new_change(context, actor, record, "edit", text=shown(command.text))

    return await _change(context, actor, command, decide)


@idempotent_message(_DELETE)
async def delete_message(context: ConversationContext, actor: Actor, command: DeleteMessage) -> MessageAnswer:
    """Take one's own message back; what it said is removed from the log as well."""

    def decide(record: MessageRecord) -> MessageChange:
        check_delete(record, actor.user_id)
        return _new_change(context, actor, record, "delete")

    return await _change(context, actor, command, decide)


@idempotent_message(_REACT)
async def react_to_message(context: ConversationContext, actor: Actor, command: ReactToMessage) -> MessageAnswer:
    """Put an emoji on a message, or take it off."""

    def decide(record: MessageRecord) -> MessageChange:
        check_reaction(record, actor.user_id, command.emoji, remove=command.remove)
        emoji = reaction_emoji(record, command.emoji, remove=command.remove)
        return _new_change(context, actor, record, "reaction", emoji=emoji, remove=command.remove)

    return await _change(context, actor, command, decide)


async def _require_no_block(context: ConversationContext, member: Membership, record: MessageRecord) -> None:
    """Raises ``forbidden``; a repeat of what was sent before the block is answered all the same."""
    blocked = await context.store.user_blocks.stands_between(*member.user_ids)
    if blocked and not await context.store.log.read.has_sent(record):
        raise blocked_between()


async def _check_reply(context: ConversationContext, member: Membership, message_id: str) -> None:
    target = await context.store.log.read.message(message_id)
    if target is None or target.conversation_id != member.conversation_id:
        raise invalid("replyTo", "has to be the id of a message of this conversation")


def _record(context: ConversationContext, actor: Actor, command: SendMessage) -> MessageRecord:
    now = context.now()
    files = (command.image_urls, command.video_urls, command.pdf_urls)
    return MessageRecord(
        id=context.store.log.new_id(),
        conversation_id=command.conversation_id,
        sender_id=actor.user_id,
        client_message_id=command.client_message_id,
        # Without attachments it shows something: that was looked at.
        text=shown(command.text) if any(files) else command.text,
        image_urls=command.image_urls,
        video_urls=command.video_urls,
        pdf_urls=command.pdf_urls,
        reply_to=command.reply_to,
        digest=body_digest(command.text or None, files, command.reply_to),
        created_at=now,
        updated_at=now,
    )


def _new_change(
    context: ConversationContext,
    actor: Actor,
    record: MessageRecord,
    kind: ChangeKind,
    *,
    text: str | None = None,
    emoji: str | None = None,
    remove: bool = False,
) -> MessageChange:
    return MessageChange(
        id=context.store.log.new_id(),
        conversation_id=record.conversation_id,
        sender_id=actor.user_id,
        kind=kind,
        target=record.id,
        text=text,
        emoji=emoji,
        remove=remove,
        created_at=context.now(),
    )


async def _change(
    context: ConversationContext,
    actor: Actor,
    command: EditMessage | DeleteMessage | ReactToMessage,
    decide: Callable[[MessageRecord], MessageChange],
) -> MessageAnswer:
    """Append the change that was decided on, unless the message already is what it would become.

    The entry names the state that it changes, so that several devices that change one state alike make one entry,
    under whatever keys; and it carries the command's key, by which a repeat finds what a node committed that has died
    since.
    """
    async with actor.submit_lock:
        member, record = await access.message(context, actor, command.message_id)
        if await _is_committed(context, actor, record, command):
            (message,) = await views.seen_messages(context, [record])
            return MessageAnswer(message=message)
        change = decide(record)
        if change.kind != "delete":
            # What one said oneself can be taken back at any time.
            await access.require_no_block(context, *member.user_ids)
        change = msgspec.structs.replace(change, client_message_id=change_key(record, change))
        if command.idempotency_key is not None:
            change = msgspec.structs.replace(change, command_key=_effect(command), digest=digest_of(command))
        participants = (await context.store.conversations.participants([record.conversation_id]))[
            record.conversation_id
        ]
        files = await views.files_of(context, [record])
        if changes_nothing(record, change):
            return MessageAnswer(message=views.seen_message(context, record, participants, files))
        ends_files = change.kind == "delete" and _files_count(record) > 0
        if ends_files:
            await _recheck_files_later(context, record)

        def on_committed(applied: AppendedChange) -> None:
            # What was published as seen in the meantime must not be published as unseen again.
            message = views.seen_message(context, applied.target, views.caught_up(context, participants), files)
            event = MessageUpdated(
                conversation_id=record.conversation_id, seq=applied.seq, change=change.kind, message=message
            )
            context.publisher.publish(event, *map(rooms.user, member.user_ids))

        appending = context.store.log.append_change(change, on_committed)
    applied = await appending
    if ends_files:
        await _release_files(context, record)
    if change.kind == "delete":
        other = member.participant_of(member.other(actor.user_id))
        await context.store.undelivered.recheck(other, record.seq, context.now())
    seen = views.caught_up(context, participants)
    return MessageAnswer(message=views.seen_message(context, applied.target, seen, files))


async def _is_committed(
    context: ConversationContext,
    actor: Actor,
    record: MessageRecord,
    command: EditMessage | DeleteMessage | ReactToMessage,
) -> bool:
    """Whether the log has the command's entry; raises ``idempotency_conflict`` when it has another's under the key."""
    if command.idempotency_key is None:
        return False
    first = await context.store.log.read.change_under(record.conversation_id, actor.user_id, _effect(command))
    if first is not None and first.digest != digest_of(command):
        raise DomainError(Code.IDEMPOTENCY_CONFLICT, "This key was used for another command before.")
    return first is not None


def _effect(command: EditMessage | DeleteMessage | ReactToMessage) -> str:
    return effect_key(f"{_NAMES[type(command)]}:{command.idempotency_key}")


# Longer than the log takes to accept a deletion, or to refuse it.
_RECHECKED_AFTER = timedelta(seconds=60)


def _files_count(said: SendMessage | MessageRecord) -> int:
    return len(said.image_urls) + len(said.video_urls) + len(said.pdf_urls)


async def _claim_files(context: ConversationContext, actor: Actor, record: MessageRecord) -> None:
    """Raises ``validation_failed`` naming the first that is not a file of that kind that the sender uploaded.

    A repeat needs none of it: its files may have gone with the first message, which it is answered with.
    """
    use = _use(record)
    try:
        for field, kind, ids in _lists(record):
            for number, file_id in enumerate(ids):
                await uses.claim(context, actor, file_id, kind=kind, use=use, field=f"{field}[{number}]")
    except DomainError:
        await _withdraw_files(context, record)
        if not await context.store.log.read.has_sent(record):
            raise


async def _withdraw_files(context: ConversationContext, record: MessageRecord) -> None:
    """The message was not written."""
    await uses.withdraw(context, _use(record))


async def _recheck_files_later(context: ConversationContext, record: MessageRecord) -> None:
    """The message is about to be deleted: should nobody live to release its files, a sweep looks at them."""
    await context.store.files.recheck(_use(record), context.now() + _RECHECKED_AFTER)


async def _release_files(context: ConversationContext, record: MessageRecord) -> None:
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
