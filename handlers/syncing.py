"""``sync``: one cursor a conversation brings a device back, after a second or after a month."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from domain.answers import LogEntry, SyncAnswer, SyncedConversation
from domain.commands.conversations import Sync
from domain.conversations import Conversation
from domain.errors import Code, DomainError, FieldError
from domain.fields import MAX_SEQ
from handlers import views
from handlers.actor import Actor
from handlers.budget import ANSWER_BYTES, CONVERSATION_BYTES, MESSAGE_BYTES, affordable, weight
from handlers.context import Context
from store.log.reader import Entry

# Conversations that the device did not name, an answer; and the messages each of them starts with (CONTRACT.md).
UNNAMED = 100
FIRST_MESSAGES = 20


async def sync(context: Context, actor: Actor, command: Sync) -> SyncAnswer:
    """What lies past each cursor; conversations not named follow, each from its newest messages."""
    named = await _named(context, actor, command)
    unnamed, more = await _unnamed(context, actor, command)
    conversations = [*named, *unnamed]
    return SyncAnswer(conversations=conversations, has_more=more or any(c.has_more for c in conversations))


async def _named(context: Context, actor: Actor, command: Sync) -> list[SyncedConversation]:
    cursors = command.cursors
    if not cursors:
        return []
    await _check_named(context, actor, cursors)
    heads = await context.store.log.read.heads(cursors)
    beyond = {i for i, cursor in cursors.items() if cursor > heads[i]}
    behind = {i: (cursor, heads[i]) for i, cursor in cursors.items() if cursor < heads[i]}
    entries = affordable(await context.store.log.read.between(behind, command.limit, ANSWER_BYTES), _weight)
    budget = ANSWER_BYTES - sum(map(_weight, entries))
    records = await context.store.conversations.records(cursors)
    found = await views.conversation_views(
        context, actor.user_id, [records[i] for i in cursors if i in records], heads
    )
    by_conversation: dict[str, list[Entry]] = {}
    for entry in entries:
        by_conversation.setdefault(entry.conversation_id, []).append(entry)
    synced: list[SyncedConversation] = []
    for view in found:
        if view.id not in beyond:
            synced.append(_continued(context, view, cursors[view.id], by_conversation.get(view.id, ())))
        elif budget > 0:
            start = await _from_newest(context, view)
            budget -= _weight_of_start(start)
            synced.append(start)
        else:
            synced.append(_put_off(view))
    return synced


async def _check_named(context: Context, actor: Actor, cursors: Mapping[str, int]) -> None:
    mine = await context.store.conversations.memberships(cursors, actor.user_id)
    foreign = [i for i in cursors if i not in mine]
    if foreign:
        raise DomainError(
            Code.NOT_FOUND,
            "There is no such conversation.",
            errors=tuple(FieldError(f"cursors.{i}", "is not one of your conversations") for i in foreign[:10]),
        )


def _continued(context: Context, view: Conversation, cursor: int, entries: Sequence[Entry]) -> SyncedConversation:
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


def _entry(context: Context, view: Conversation, entry: Entry) -> LogEntry:
    seen = any(p.user_id != entry.record.sender_id and p.seen_seq >= entry.record.seq for p in view.participants)
    return LogEntry(
        seq=entry.seq,
        change=entry.change.kind if entry.change else "new",
        message=views.message_view(context, entry.record, seen=seen),
    )


async def _unnamed(context: Context, actor: Actor, command: Sync) -> tuple[list[SyncedConversation], bool]:
    records = await context.store.conversations.page(actor.user_id, None, UNNAMED + 1, leaving_out=command.cursors)
    started: list[SyncedConversation] = []
    budget = ANSWER_BYTES
    for view in await views.conversation_views(context, actor.user_id, records[:UNNAMED]):
        start = await _from_newest(context, view)
        budget -= _weight_of_start(start)
        if budget < 0 and started:
            break
        started.append(start)
    return started, len(records) > len(started)


def _weight(entry: Entry) -> int:
    return weight(entry.record)


def _weight_of_start(conversation: SyncedConversation) -> int:
    texts = sum(len((entry.message.text or "").encode()) for entry in conversation.entries)
    return CONVERSATION_BYTES + MESSAGE_BYTES * len(conversation.entries) + texts


async def _from_newest(context: Context, view: Conversation) -> SyncedConversation:
    """Start over: the newest messages, and the cursor at the head that the view was made with."""
    records = await context.store.log.read.before(view.id, view.head + 1, FIRST_MESSAGES)
    entries = [_entry(context, view, Entry(view.id, record.seq, None, record)) for record in records]
    return SyncedConversation(conversation=view, entries=entries, cursor=view.head, has_more=False, reset=True)
