"""Looking at messages by their place in a conversation, or one by its id."""

from __future__ import annotations

from domain.errors import Code, DomainError, FieldError
from domain.wire.conversations import GetMessage, ListMessages, MessageAnswer, MessageList
from domain.wire.pages import take_within_size
from handlers import access
from handlers.access import Actor
from handlers.context import ReadContext
from handlers.messages import views


async def list_messages(context: ReadContext, actor: Actor, command: ListMessages) -> MessageList:
    """The messages before a position or after one, ascending; changes are folded into them."""
    if command.before_seq is not None and command.after_seq is not None:
        raise _one_of_both()
    member = await access.membership(context, actor, command.conversation_id)
    read, forward = context.store.log.read, command.after_seq is not None
    if command.after_seq is not None:
        records = await read.after(member.conversation_id, command.after_seq, command.limit + 1)
    else:
        records = (await read.before(member.conversation_id, command.before_seq, command.limit + 1))[::-1]
    nearest = take_within_size(await views.seen_messages(context, records[: command.limit]))
    return MessageList(messages=nearest if forward else nearest[::-1], has_more=len(records) > len(nearest))


def _one_of_both() -> DomainError:
    what = "take either beforeSeq or afterSeq, not both"
    errors = tuple(FieldError(field, what) for field in ("beforeSeq", "afterSeq"))
    return DomainError(Code.VALIDATION_FAILED, f"{what[:1].upper()}{what[1:]}.", errors=errors)


async def get_message(context: ReadContext, actor: Actor, command: GetMessage) -> MessageAnswer:
    """A message as it stands; raises ``not_found`` for one of a conversation that is not the actor's."""
    _, record = await access.message(context, actor, command.message_id)
    (message,) = await views.seen_messages(context, [record])
    return MessageAnswer(message=message)
