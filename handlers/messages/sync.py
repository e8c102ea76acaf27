"""``sync``: reading back what was missed, for which one cursor a conversation is enough."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from domain.conversations import Conversation
from domain.messages import MessageRecord
from domain.networks import network_of
from domain.wire.conversations import (
    LogEntry,
    Sync,
    SyncAnswer,
    SyncCursor,
    SyncedConversation,
)
from domain.wire.fields import MAX_SEQ
from domain.wire.pages import ANSWER_BYTES, size, take_within_size
from handlers.access import Actor
from handlers.context import ReadContext, SyncContext
from handlers.messages import views
from store import command_budget
from store.log.reader import Entry

# Conversations that the device did not name, an answer; and the messages each of them starts with, as the wire
# contract has it.
UNNAMED = 100
FIRST_MESSAGES = 20
# The smallest that a conversation gets in an answer: no more are looked at than could fit.
SMALLEST_CONVERSATION = 500
# An id in quotes, with its comma.
_GONE_BYTES = 27
# How much of its time a sync may wait for its turn. What came in one moment is not refused in one: ten thousand such
# answers in a row take the loop a second, and what they are answered brings all of them back at once.
QUEUE_SHARE = 0.4, 0.8


async def sync(context: SyncContext, actor: Actor, command: Sync) -> SyncAnswer:
    """What lies past each cursor; conversations not named follow, each from its newest messages.

    A few at a time on a node, network by network and user by user. When all its devices come back at once, those who
    get no turn are answered ``unavailable`` while there is time left: were they admitted late, all of them would run
    out of time half done.
    """
    timeout = command_budget.remaining() * random.uniform(*QUEUE_SHARE)
    async with context.syncing.turn(actor.user_id, timeout, network_of(actor.address)):
        command_budget.require_asker()
        return await _sync(context, actor, command)


async def _sync(context: ReadContext, actor: Actor, command: Sync) -> SyncAnswer:
    mine = await context.store.conversations.memberships(command.cursors, actor.user_id)
    gone = [i for i in command.cursors if i not in mine]
    ids = [i for i in command.cursors if i in mine]
    space = _AnswerSpace(command.limit, ANSWER_BYTES - _GONE_BYTES * len(gone))
    heads, both = await asyncio.gather(
        context.store.log.read.heads(ids), views.sides(context, (mine[i] for i in ids))
    )
    named = _Named(actor.user_id, command.cursors, ids, heads, both)
    told = await _changed(context, named, space)
    unnamed = [] if command.only else await _unnamed(context, actor, command, space)
    # Whoever names by seq alone is told all the same, but takes nobody's place: with a state it would be left out.
    told |= await _unchanged(context, named, space, told)
    return SyncAnswer(
        conversations=[*(told[i] for i in ids if i in told), *unnamed],
        gone=gone or msgspec.UNSET,
        has_more=space.has_more,
    )


@dataclass(slots=True)
class _AnswerSpace:
    """How many entries and bytes an answer still takes. Its first conversation always fits: an answer must move on."""

    entries: int
    size: int
    empty: bool = True
    has_more: bool = False
    # With how many messages a conversation starts.
    start: int = field(init=False)

    def __post_init__(self) -> None:
        self.start = min(FIRST_MESSAGES, self.entries)

    def fits(self, entries: int, size: int) -> bool:
        return self.empty or (entries <= self.entries and size <= self.size)

    def take(self, synced: SyncedConversation, size: int) -> SyncedConversation:
        self.entries -= len(synced.entries)
        self.size -= size
        self.empty = False
        self.has_more |= synced.has_more
        return synced


@dataclass(slots=True)
class _Named:
    """The conversations that a device named, and how it stands in each of them."""

    user_id: str
    cursors: Mapping[str, int | SyncCursor]
    ids: Sequence[str]
    heads: Mapping[str, int]
    both: views.Sides
    seqs: dict[str, int] = field(init=False)
    states: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        named = {i: self.cursors[i] for i in self.ids}
        self.seqs = {i: one.seq if isinstance(one, SyncCursor) else one for i, one in named.items()}
        self.states = {i: self.both.state(self.user_id, i) for i in self.ids}

    @property
    def behind(self) -> dict[str, tuple[int, int]]:
        """By the span that each has not received."""
        return {i: (seq, self.heads[i]) for i, seq in self.seqs.items() if seq < self.heads[i]}

    @property
    def beyond(self) -> list[str]:
        return [i for i, seq in self.seqs.items() if seq > self.heads[i]]

    def knows_state(self, conversation_id: str) -> bool:
        named = self.cursors[conversation_id]
        return isinstance(named, SyncCursor) and named.state == self.states[conversation_id]

    def names_state(self, conversation_id: str) -> bool:
        named = self.cursors[conversation_id]
        return isinstance(named, SyncCursor) and named.state is not None

    def changed_at(self, conversation_id: str) -> float:
        people = self.both.participants.get(conversation_id, ())
        return max((one.updated_at.timestamp() for one in people), default=0.0)


async def _changed(context: ReadContext, named: _Named, space: _AnswerSpace) -> dict[str, SyncedConversation]:
    """Those with something new: entries first, then those that start over, then new states."""
    behind, beyond = named.behind, named.beyond
    entries: dict[str, list[Entry]] = {}
    for entry in await context.store.log.read.between(behind, space.entries, space.size):
        entries.setdefault(entry.conversation_id, []).append(entry)
    states = [i for i in named.ids if named.names_state(i) and not named.knows_state(i) and i not in entries]
    candidates = list(dict.fromkeys([*entries, *beyond, *states]))[: space.size // SMALLEST_CONVERSATION]
    found = await _views(context, named, candidates)
    newest = await _newest(context, {i: named.heads[i] for i in beyond if i in found}, space)
    records = [entry.record for each in entries.values() for entry in each]
    files = await views.files_of(context, [*records, *(record for each in newest.values() for record in each)])
    told: dict[str, SyncedConversation] = {}
    for i, view in found.items():
        if i in beyond:
            synced = _started(context, view, named.states[i], newest[i], files, space) if i in newest else None
            synced = synced or _put_off(view, named.states[i], space)
        else:
            synced = _continued(context, view, named.states[i], named.seqs[i], entries.get(i, ()), files, space)
        if synced is not None:
            told[i] = synced
    space.has_more |= any(i not in told for i in (*behind, *beyond, *states))
    return told


async def _unchanged(
    context: ReadContext, named: _Named, space: _AnswerSpace, told: Mapping[str, SyncedConversation]
) -> dict[str, SyncedConversation]:
    """Those named by ``seq`` alone, whatever is new; when not all fit, the ones that changed last."""
    bare = [i for i in named.ids if i not in told and not named.names_state(i) and named.seqs[i] <= named.heads[i]]
    most = max(0, space.size // SMALLEST_CONVERSATION)
    if len(bare) > most:
        bare = sorted(bare, key=named.changed_at, reverse=True)[:most]
    unchanged: dict[str, SyncedConversation] = {}
    for i, view in (await _views(context, named, bare)).items():
        synced = _continued(context, view, named.states[i], named.seqs[i], (), {}, space)
        if synced is not None:
            unchanged[i] = synced
    return unchanged


async def _views(context: ReadContext, named: _Named, ids: Sequence[str]) -> dict[str, Conversation]:
    """In the order of their ids."""
    records = await context.store.conversations.records(ids)
    wanted = [records[i] for i in ids if i in records]
    found = await views.conversation_views(context, named.user_id, wanted, named.heads, named.both)
    return {view.id: view for view in found}


def _continued(
    context: ReadContext,
    view: Conversation,
    state: str,
    cursor: int,
    entries: Sequence[Entry],
    files: views.Files,
    space: _AnswerSpace,
) -> SyncedConversation | None:
    """As many entries as fit; nothing where not even the conversation does."""
    # At most so large: its cursor gets as far as the head.
    synced = SyncedConversation(conversation=view, entries=[], cursor=view.head, state=state, has_more=False)
    taken = size(synced)
    if not space.fits(0, taken):
        return None
    for entry in entries:
        answer = _entry(context, view, entry, files)
        more = size(answer)
        # The first of an answer's entries is told whatever its size; one alone is far below the cap.
        alone = space.empty and not synced.entries
        if not alone and (len(synced.entries) >= space.entries or taken + more > space.size):
            break
        synced.entries.append(answer)
        taken += more
    if entries and not synced.entries:
        return None
    reached = synced.entries[-1].seq if synced.entries else cursor
    synced = msgspec.structs.replace(synced, cursor=reached, has_more=reached < view.head)
    return space.take(synced, taken)


def _started(
    context: ReadContext,
    view: Conversation,
    state: str,
    records: Sequence[MessageRecord],
    files: views.Files,
    space: _AnswerSpace,
) -> SyncedConversation | None:
    """Start over: the newest messages, and the cursor at the head that the view was made with.

    All of them or, in the next answer, all of them again; fewer only where an answer has no space for more.
    """
    newest = [_entry(context, view, Entry(view.id, record.seq, None, record), files) for record in records]
    synced = SyncedConversation(
        conversation=view, entries=newest, cursor=view.head, state=state, has_more=False, reset=True
    )
    taken = size(synced)
    if not space.fits(len(newest), taken):
        return None
    if taken > space.size:
        around = size(msgspec.structs.replace(synced, entries=[]))
        fitting = take_within_size(reversed(newest), budget=space.size - around)[::-1]
        synced = msgspec.structs.replace(synced, entries=fitting)
        taken = size(synced)
    return space.take(synced, taken)


def _put_off(view: Conversation, state: str, space: _AnswerSpace) -> SyncedConversation | None:
    """It starts over in the next answer: the device asks again with a cursor that no head catches up with meanwhile."""
    synced = SyncedConversation(conversation=view, entries=[], cursor=MAX_SEQ, state=state, has_more=True)
    taken = size(synced)
    return space.take(synced, taken) if space.fits(0, taken) else None


def _entry(context: ReadContext, view: Conversation, entry: Entry, files: views.Files) -> LogEntry:
    seen = any(p.user_id != entry.record.sender_id and p.seen_seq >= entry.record.seq for p in view.participants)
    return LogEntry(
        seq=entry.seq,
        change=entry.change.kind if entry.change else "new",
        message=views.message_view(context, entry.record, files, seen=seen),
    )


async def _unnamed(context: ReadContext, actor: Actor, command: Sync, space: _AnswerSpace) -> list[SyncedConversation]:
    """In their order, as many as fit."""
    records = await context.store.conversations.page(actor.user_id, None, UNNAMED + 1, leaving_out=command.cursors)
    page = records[:UNNAMED] if space.entries > 0 else []
    heads = await context.store.log.read.heads([record.membership.conversation_id for record in page])
    newest = await _newest(context, heads, space)
    wanted = page[: len(newest)]
    both = await views.sides(context, [record.membership for record in wanted])
    files = await views.files_of(context, [record for each in newest.values() for record in each])
    started: list[SyncedConversation] = []
    for view in await views.conversation_views(context, actor.user_id, wanted, heads, both):
        synced = _started(context, view, both.state(actor.user_id, view.id), newest[view.id], files, space)
        if synced is None:
            break
        started.append(synced)
    space.has_more |= len(records) > len(started)
    return started


async def _newest(
    context: ReadContext, heads: Mapping[str, int], space: _AnswerSpace
) -> dict[str, list[MessageRecord]]:
    """The newest messages of the conversations, in their order, until they take up the space."""
    if space.entries <= 0 or space.size <= 0:
        return {}
    entries, texts = space.entries, space.size

    def enough(records: Sequence[MessageRecord]) -> bool:
        nonlocal entries, texts
        entries -= len(records)
        texts -= SMALLEST_CONVERSATION + sum(len((record.text or "").encode()) for record in records)
        return entries <= 0 or texts <= 0

    return await context.store.log.read.newest(heads, space.start, enough)
