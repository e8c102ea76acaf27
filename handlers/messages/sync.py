"""Reading messages back: by position, and by ``sync``, whose one cursor a conversation is enough."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from domain.conversations import Conversation
from domain.errors import Code, DomainError, FieldError
from domain.messages import MessageRecord
from domain.wire.conversations import (
    ListMessages,
    LogEntry,
    MessageList,
    Sync,
    SyncAnswer,
    SyncedConversation,
)
from domain.wire.fields import MAX_SEQ
from handlers import access
from handlers.access import Actor
from handlers.context import ReadContext, SyncContext
from handlers.messages import views
from store import command_budget
from store.log.reader import Entry

T = TypeVar("T")

# Well under what a socket may have waiting to be written (1 MB).
ANSWER_BYTES = 600_000
# A message without its text, with ids, names of fields and dates; a conversation with both its people.
MESSAGE_BYTES = 700
CONVERSATION_BYTES = 1_200


def weight(record: MessageRecord) -> int:
    """Roughly what the message takes in an answer."""
    text = len(record.text.encode()) if record.text else 0
    return MESSAGE_BYTES + text + 60 * len(record.marks)


def take_within_size(items: Iterable[T], weigh: Callable[[T], int], budget: int = ANSWER_BYTES) -> list[T]:
    """As many of the first items as fit, one at least: a page must move on."""
    taken: list[T] = []
    for item in items:
        budget -= weigh(item)
        if budget < 0 and taken:
            break
        taken.append(item)
    return taken


async def list_messages(context: ReadContext, actor: Actor, command: ListMessages) -> MessageList:
    """The messages before a position, ascending; changes are folded into them."""
    member = await access.membership(context, actor, command.conversation_id)
    read = context.store.log.read
    records = await read.before(member.conversation_id, command.before_seq, command.limit + 1)
    newest = take_within_size(reversed(records[-command.limit :]), weight)
    messages = await views.seen_messages(context, newest[::-1])
    return MessageList(messages=messages, has_more=len(records) > len(newest))


# Conversations that the device did not name, an answer; and the messages each of them starts with (CONTRACT.md).
UNNAMED = 100
FIRST_MESSAGES = 20
# How much of its time a sync may wait for its turn. What came in one moment is not refused in one: ten thousand such
# answers in a row take the loop a second, and what they are answered brings all of them back at once.
PATIENCE = 0.4, 0.8


async def sync(context: SyncContext, actor: Actor, command: Sync) -> SyncAnswer:
    """What lies past each cursor; conversations not named follow, each from its newest messages.

    A few at a time on a node, user by user. When all its devices come back at once, those who get no turn are answered
    ``unavailable`` while there is time left: were they admitted late, all of them would run out of time half done.
    """
    async with context.syncing.turn(actor.user_id, command_budget.remaining() * random.uniform(*PATIENCE)):
        command_budget.require_asker()
        return await _sync(context, actor, command)


async def _sync(context: SyncContext, actor: Actor, command: Sync) -> SyncAnswer:
    named = await _named(context, actor, command)
    unnamed, more = await _unnamed(context, actor, command)
    conversations = [*named, *unnamed]
    return SyncAnswer(conversations=conversations, has_more=more or any(c.has_more for c in conversations))


async def _named(context: ReadContext, actor: Actor, command: Sync) -> list[SyncedConversation]:
    cursors = command.cursors
    if not cursors:
        return []
    await _check_named(context, actor, cursors)
    heads = await context.store.log.read.heads(cursors)
    beyond = {i for i, cursor in cursors.items() if cursor > heads[i]}
    behind = {i: (cursor, heads[i]) for i, cursor in cursors.items() if cursor < heads[i]}
    entries = take_within_size(await context.store.log.read.between(behind, command.limit, ANSWER_BYTES), _weight)
    budget = ANSWER_BYTES - sum(map(_weight, entries))
    records = await context.store.conversations.records(cursors)
    found = await views.conversation_views(
        context, actor.user_id, [records[i] for i in cursors if i in records], heads
    )
    by_conversation: dict[str, list[Entry]] = {}
    for entry in entries:
        by_conversation.setdefault(entry.conversation_id, []).append(entry)
    newest = await _newest(context, [view for view in found if view.id in beyond], budget) if budget > 0 else {}
    synced: list[SyncedConversation] = []
    for view in found:
        if view.id not in beyond:
            synced.append(_continued(context, view, cursors[view.id], by_conversation.get(view.id, ())))
        elif view.id in newest:
            synced.append(_from_newest(context, view, newest[view.id]))
        else:
            synced.append(_put_off(view))
    return synced


async def _check_named(context: ReadContext, actor: Actor, cursors: Mapping[str, int]) -> None:
    mine = await context.store.conversations.memberships(cursors, actor.user_id)
    foreign = [i for i in cursors if i not in mine]
    if foreign:
        raise DomainError(
            Code.NOT_FOUND,
            "There is no such conversation.",
            errors=tuple(FieldError(f"cursors.{i}", "is not one of your conversations") for i in foreign[:10]),
        )


def _continued(context: ReadContext, view: Conversation, cursor: int, entries: Sequence[Entry]) -> SyncedConversation:
    reached = entries[-1].seq if entries else cursor
    return SyncedConversation(
        conversation=view,
        entries=[_entry(context, view, entry) for entry in entries],
        cursor=reached,
        has_more=reached < view.head,
    )


def _put_off(view: Conversation) -> SyncedConversation:
    """It starts over in the next answer: the device asks again with a cursor that no head catches up with meanwhile."""
    return SyncedConversation(conversation=view, entries=[], cursor=MAX_SEQ, has_more=True)


def _entry(context: ReadContext, view: Conversation, entry: Entry) -> LogEntry:
    seen = any(p.user_id != entry.record.sender_id and p.seen_seq >= entry.record.seq for p in view.participants)
    return LogEntry(
        seq=entry.seq,
        change=entry.change.kind if entry.change else "new",
        message=views.message_view(context, entry.record, seen=seen),
    )


async def _unnamed(context: ReadContext, actor: Actor, command: Sync) -> tuple[list[SyncedConversation], bool]:
    records = await context.store.conversations.page(actor.user_id, None, UNNAMED + 1, leaving_out=command.cursors)
    found = await views.conversation_views(context, actor.user_id, records[:UNNAMED])
    newest = await _newest(context, found, ANSWER_BYTES)
    fitting = take_within_size(newest.items(), lambda start: _weight_of_start(start[1]), ANSWER_BYTES)
    started = [_from_newest(context, view, of_it) for view, (_, of_it) in zip(found, fitting, strict=False)]
    return started, len(records) > len(started)


def _weight(entry: Entry) -> int:
    return weight(entry.record)


def _weight_of_start(records: Sequence[MessageRecord]) -> int:
    texts = sum(len((record.text or "").encode()) for record in records)
    return CONVERSATION_BYTES + MESSAGE_BYTES * len(records) + texts


async def _newest(context: ReadContext, found: Sequence[Conversation], budget: int) -> dict[str, list[MessageRecord]]:
    """The newest messages of the conversations, in their order, until their weights take the budget up."""

    def enough(records: Sequence[MessageRecord]) -> bool:
        nonlocal budget
        budget -= _weight_of_start(records)
        return budget <= 0

    return await context.store.log.read.newest({view.id: view.head for view in found}, FIRST_MESSAGES, enough)


def _from_newest(context: ReadContext, view: Conversation, records: Sequence[MessageRecord]) -> SyncedConversation:
    """Start over: the newest messages, and the cursor at the head that the view was made with."""
    entries = [_entry(context, view, Entry(view.id, record.seq, None, record)) for record in records]
    return SyncedConversation(conversation=view, entries=entries, cursor=view.head, has_more=False, reset=True)
