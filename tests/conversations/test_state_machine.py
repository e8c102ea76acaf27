"""Whatever two nodes, three people and all their devices do, every answer and event is what the model says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from itertools import count
from typing import Any, ClassVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from domain import rooms
from domain.times import to_wire
from store.database import Database
from tests.conversations.model import ConversationModel, ModelMessage, Refusal
from tests.conversations.replica import Replica
from tests.conversations.services import Caller, OneNodeService
from tests.harness.devices import Data
from tests.harness.machines import run_machine
from tests.harness.people import Person
from tests.store.writing import entries, now

ENTRY_EVENTS = ("message:new", "message:updated")
TIMEOUT_SECONDS = 60.0


class ModelledConversations:
    """A client with two trainers, on two nodes; one device of each listens, another only syncs."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.time = now()
        self.numbers = count(1)
        self.nodes = [self._node(), self._node()]
        self.retired: list[OneNodeService] = []
        self.callers: dict[tuple[OneNodeService, str], Caller] = {}
        self.talks: list[ConversationModel] = []
        self.people: dict[str, Person] = {}

    async def open(self) -> None:
        make = self.nodes[0].people.make
        client, *trainers = [await make("client"), await make("trainer"), await make("trainer")]
        self.people = {person.id: person for person in (client, *trainers)}
        for trainer in trainers:
            opened = await self.caller(0, client.id).do("conversation:open", {"userId": trainer.id})
            await self.caller(1, trainer.id).do("conversation:open", {"userId": client.id})
            self.talks.append(ConversationModel(opened["conversation"]["id"], (client.id, trainer.id), self.at))
            self.time += timedelta(milliseconds=1)
        self.listening = {user: Replica(user) for user in self.people}
        self.syncing = {user: Replica(user) for user in self.people}
        for user in self.people:
            self.listening[user].take(await self.caller(0, user).do("sync", {"cursors": {}}))

    def _node(self) -> OneNodeService:
        return OneNodeService(self.database, clock=self.clock)

    def clock(self) -> datetime:
        return self.time

    @property
    def at(self) -> str:
        return to_wire(self.time)

    def caller(self, node: int, user: str) -> Caller:
        messaging = self.nodes[node]
        return self.callers.setdefault((messaging, user), messaging.device(self.people[user]))

    def words(self) -> str:
        return f"words {next(self.numbers)}"

    # --- commands ---

    async def send(
        self, node: int, talk: ConversationModel, user: str, key: str, text: str, reply_to: str | None
    ) -> None:
        command = {"conversationId": talk.id, "clientMessageId": key, "text": text, "replyTo": reply_to}

        def decide() -> tuple[ModelMessage, bool]:
            return talk.send(user, key, text, reply_to, self.at)

        await self._command(node, talk, user, "message:send", command, decide)

    async def change(
        self, node: int, talk: ConversationModel, user: str, said: ModelMessage, event: str, rest: Data
    ) -> None:
        def decide() -> tuple[ModelMessage, bool]:
            if event == "message:edit":
                return said, talk.edit(user, said, rest["text"], self.at)
            if event == "message:delete":
                return said, talk.delete(user, said, self.at)
            return said, talk.react(user, said, rest["emoji"], rest["remove"], self.at)

        await self._command(node, talk, user, event, {"messageId": said.id, **rest}, decide)

    async def _command(
        self,
        node: int,
        talk: ConversationModel,
        user: str,
        event: str,
        data: Data,
        decide: Callable[[], tuple[ModelMessage, bool]],
    ) -> None:
        answer = await self.caller(node, user).ask(event, data)
        try:
            said, fresh = decide()
        except Refusal as refusal:
            assert not answer["ok"], (event, answer, refusal.code)
            assert answer["error"]["code"] == refusal.code
            fresh = False
        else:
            assert answer["ok"], (event, answer)
            said.id = said.id or answer["data"]["message"]["id"]
            assert answer["data"]["message"] == talk.wire(said)
        expected = _events(talk) if fresh else []
        for received in self._received(talk, node).values():
            assert [(name, event) for name, event in received if name in ENTRY_EVENTS] == expected
            introductions = [event["conversation"] for name, event in received if name == "conversation:new"]
            assert len(received) == len(expected) + len(introductions)
            assert len(introductions) == int(fresh and talk.head == 1)
            for conversation in introductions:
                talk.check_introduction(conversation)

    async def mark(self, node: int, talk: ConversationModel, user: str, kind: str, seq: int) -> None:
        await self.caller(node, user).do(f"conversation:{kind}", {"conversationId": talk.id, "seq": seq})
        moved = talk.mark(user, kind, seq)
        for received in self._received(talk, node).values():
            told = {name.removeprefix("conversation:"): event for name, event in received}
            assert len(told) == len(received)
            assert moved.keys() <= told.keys() <= {"seen", "delivered"}
            for name, event in told.items():
                # A node may not know yet how far another has raised a mark: then it tells a lower one.
                assert (event["conversationId"], event["userId"]) == (talk.id, user)
                assert event["seq"] == moved[name] if name in moved else event["seq"] <= getattr(talk.marks[user], name)

    async def burst(self, talk: ConversationModel, senders: list[tuple[int, int]], said: ModelMessage | None) -> None:
        """Everything at once: what came first is learned from the events."""
        sends, submitted = [], list[str]()
        for node, side in senders:
            submitted.append(f"key {next(self.numbers)}")
            command = {"conversationId": talk.id, "clientMessageId": submitted[-1], "text": self.words()}
            sends.append(self.caller(node, talk.members[side]).do("message:send", command))
        if said is not None:
            for node in (0, 1):
                sends.append(
                    self.caller(node, said.sender).do("message:edit", {"messageId": said.id, "text": self.words()})
                )
        await asyncio.gather(*sends)
        self._learn(talk, said, len(sends))
        for caller in set(senders):
            own = [key for key, sender in zip(submitted, senders, strict=True) if sender == caller]
            assert [m.key for m in talk.messages if m.key in own] == own

    def _learn(self, talk: ConversationModel, said: ModelMessage | None, expected: int) -> None:
        start, told = talk.head, self._received(talk, 0, 1)[talk.members[0]]
        for name, event in told:
            if name == "message:new":
                message = event["message"]
                fresh, _ = talk.send(message["senderId"], message["clientMessageId"], message["text"], None, self.at)
                fresh.id = message["id"]
            elif name == "message:updated":
                assert said is not None
                talk.edited(said, event["message"]["text"], self.at)
        assert [event["seq"] for name, event in told if name in ENTRY_EVENTS] == [
            *range(start + 1, start + expected + 1)
        ]

    def _received(self, talk: ConversationModel, *nodes: int) -> dict[str, list[tuple[str, Data]]]:
        """What the members received since, in the order in which a device is told it."""
        received: dict[str, list[tuple[str, Data]]] = {member: [] for member in talk.members}
        for node in nodes:
            said, self.nodes[node].recorder.said = self.nodes[node].recorder.said, []
            assert {room for room, _, _ in said} <= set(map(rooms.user, talk.members))
            for member, events in received.items():
                own = [(name, event) for room, name, event in said if room == rooms.user(member)]
                seqs = [event["seq"] for name, event in own if name in ENTRY_EVENTS]
                assert seqs == sorted(seqs)
                events += own
        for member, events in received.items():
            if len(nodes) > 1:
                events.sort(key=lambda named: int(named[1].get("seq", 0)))
            for name, event in events:
                self.listening[member].receive(name, event)
        return received

    # --- reading ---

    async def sync(self, node: int, user: str, back: tuple[int | None, ...], limit: int) -> None:
        """From anywhere: each conversation so far behind its head (beyond it if negative), or not named."""
        mine = self._of(user)
        cursors = {t.id: max(0, t.head - n) for t, n in zip(mine, back, strict=False) if n is not None}
        reached, more = dict(cursors), True
        while more:
            answer = await self.caller(node, user).do("sync", {"cursors": reached, "limit": limit})
            told = {each["conversation"]["id"]: each for each in answer["conversations"]}
            assert len(told) == len(answer["conversations"])
            assert reached.keys() <= told.keys()
            counted = sum(t.check_sync(user, told[t.id], reached.get(t.id), limit) for t in mine if t.id in told)
            assert counted <= limit
            assert counted or not answer["hasMore"] or reached.keys() < told.keys()
            assert answer["hasMore"] is (len(told) < len(mine) or any(each["hasMore"] for each in told.values()))
            reached, more = {i: each["cursor"] for i, each in told.items()}, answer["hasMore"]
        assert reached == {talk.id: talk.head for talk in mine}

    async def follow(self, node: int, user: str, limit: int) -> None:
        """A device comes back and syncs until it has all."""
        replica, more = self.syncing[user], True
        while more:
            answer = await self.caller(node, user).do("sync", {"cursors": replica.named, "limit": limit})
            replica.take(answer)
            more = answer["hasMore"]
        for held in (replica, self.listening[user]):
            state: Data = held.state()
            assert state.keys() == {talk.id for talk in self._of(user)}
            for talk in self._of(user):
                talk.check_held(user, state[talk.id])

    async def history(self, node: int, talk: ConversationModel, user: str, limit: int) -> None:
        found: list[Data] = []
        more, command = True, {"conversationId": talk.id, "limit": limit}
        while more:
            before = {"beforeSeq": found[0]["seq"]} if found else {}
            page = await self.caller(node, user).do("message:list", command | before)
            assert len(page["messages"]) == limit or not page["hasMore"]
            found, more = page["messages"] + found, page["hasMore"]
        assert found == talk.newest(len(talk.messages)) if talk.messages else found == []

    async def listing(self, node: int, user: str, limit: int) -> None:
        """Each conversation is right at once; their order, once what is written behind is written."""
        for each in (await self.caller(node, user).do("conversation:list"))["items"]:
            next(talk for talk in self.talks if talk.id == each["id"]).check_view(user, each)
        await self.settled()
        items: list[Data] = []
        page: Data = {"nextCursor": None}
        while not items or page["nextCursor"]:
            command = {"limit": limit} | ({"cursor": page["nextCursor"]} if items else {})
            page = await self.caller(node, user).do("conversation:list", command)
            items += page["items"]
        newest = sorted(self._of(user), key=lambda talk: (talk.updated_at, talk.id), reverse=True)
        assert [each["id"] for each in items] == [talk.id for talk in newest]

    async def restart(self, node: int) -> None:
        self.retired.append(self.nodes[node])
        self.nodes[node] = self._node()
        await self.nodes[node].store.log.projections.repair_recent()

    async def settled(self) -> None:
        for messaging in (*self.nodes, *self.retired):
            await messaging.store.drain()

    async def check(self) -> None:
        for talk in self.talks:
            talk.check_log(await entries(self.database, talk.id))
        for user in self.people:
            await self.follow(0, user, 7)
            await self.listing(1, user, 20)

    def _of(self, user: str) -> list[ConversationModel]:
        return [talk for talk in self.talks if user in talk.members]


def _events(talk: ConversationModel) -> list[tuple[str, Data]]:
    """What is told of the newest entry."""
    (entry,) = talk.told(talk.head - 1, talk.head)
    if entry["change"] == "new":
        del entry["change"]
    return [("message:updated" if "change" in entry else "message:new", {"conversationId": talk.id, **entry})]


NODE, SIDE, TALK, PERSON = (st.integers(0, last) for last in (1, 1, 1, 2))
# From the newest, and mostly among the same few, so that what is done meets what was done.
PICK, BACK = st.integers(0, 4), st.sampled_from([-2, 0, 0, 1, 2, 3, 5, 9])
OPEN = st.none() | BACK
MARK = st.sampled_from(["seen", "delivered"])
LIMIT = st.sampled_from([1, 2, 3, 7, 100])
KIND = st.sampled_from(["edit", "react", "delete", "unreact", "same", "edit"])
# On which node, of which message, by the other side if 0.
CHANGE = st.tuples(NODE, st.integers(0, 2), st.sampled_from([1, 1, 1, 1, 0]), KIND, st.sampled_from("👍🎉"))


def _step(name: str, **arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[str, Data]]:
    return st.tuples(st.just(name), st.fixed_dictionaries(arguments))


_CHANGE = _step("change", talk=TALK, changes=st.lists(CHANGE, min_size=2, max_size=6))
# One rule that chooses among them: Hypothesis leaves whole rules out of an example, and with them what they would meet.
# The first is chosen most.
STEP = st.one_of(
    _CHANGE,
    _step("send", node=NODE, talk=TALK, side=SIDE, reply=st.none() | PICK),
    _step("repeat", node=NODE, talk=TALK, pick=PICK, same=st.booleans()),
    _CHANGE,
    _step("mark", talk=TALK, side=SIDE, marks=st.lists(st.tuples(NODE, MARK, BACK), min_size=2, max_size=5)),
    _step("burst", talk=TALK, senders=st.lists(st.tuples(NODE, SIDE), min_size=2, max_size=6), pick=st.none() | PICK),
    _step("sync", node=NODE, person=PERSON, limit=LIMIT, back=st.none() | st.tuples(OPEN, OPEN)),
    _step("look", node=NODE, talk=TALK, side=SIDE, limit=LIMIT, listing=st.booleans()),
    _step("restart", node=NODE),
)


class Conversations(RuleBasedStateMachine):
    database: ClassVar[Database]
    loop: ClassVar[asyncio.AbstractEventLoop]

    def do(self, step: Coroutine[Any, Any, None]) -> None:
        """A step on the loop of the tests; Hypothesis runs in a thread of its own."""
        asyncio.run_coroutine_threadsafe(step, self.loop).result(TIMEOUT_SECONDS)

    @initialize(filled=st.sampled_from([2, 1, 3, 0]))
    def open(self, filled: int) -> None:
        async def make() -> None:
            self.modelled = ModelledConversations(self.database)
            await self.modelled.open()

        self.do(make())
        for talk in range(filled and 2):
            self.burst(talk, [(0, 0), (1, 1)] * filled, None)

    @rule(step=STEP)
    def step(self, step: tuple[str, Data]) -> None:
        name, arguments = step
        getattr(self, name)(**arguments)

    def tick(self, talk: int) -> ConversationModel:
        self.modelled.time += timedelta(milliseconds=1)
        return self.modelled.talks[talk]

    def send(self, node: int, talk: int, side: int, reply: int | None) -> None:
        in_talk = self.tick(talk)
        to = None if reply is None or not in_talk.messages else _picked(in_talk, reply).id
        words = self.modelled.words()
        self.do(self.modelled.send(node, in_talk, in_talk.members[side], f"key of {words}", words, to))

    def repeat(self, node: int, talk: int, pick: int, same: bool) -> None:
        in_talk = self.tick(talk)
        if in_talk.messages:
            said = _picked(in_talk, pick)
            text = said.body[0] if same else self.modelled.words()
            self.do(self.modelled.send(node, in_talk, said.sender, said.key, text, said.body[1]))

    def change(self, talk: int, changes: list[tuple[int, int, int, str, str]]) -> None:
        for node, pick, stranger, what, emoji in changes:
            in_talk = self.tick(talk)
            if not in_talk.messages:
                return
            said = _picked(in_talk, pick)
            event, data = "message:react", {"emoji": emoji, "remove": what == "unreact"}
            if what in ("edit", "same"):
                event, data = "message:edit", {"text": (what == "same" and said.text) or self.modelled.words()}
            elif what == "delete":
                event, data = "message:delete", {}
            user = in_talk.other(said.sender) if stranger == 0 else said.sender
            self.do(self.modelled.change(node, in_talk, user, said, event, data))

    def mark(self, talk: int, side: int, marks: list[tuple[int, str, int]]) -> None:
        for node, kind, back in marks:
            in_talk = self.tick(talk)
            self.do(self.modelled.mark(node, in_talk, in_talk.members[side], kind, max(0, in_talk.head - back)))

    def burst(self, talk: int, senders: list[tuple[int, int]], pick: int | None) -> None:
        in_talk = self.tick(talk)
        said = None if pick is None or not in_talk.messages else _picked(in_talk, pick)
        self.do(self.modelled.burst(in_talk, senders, None if said is None or said.deleted_at else said))

    def sync(self, node: int, person: int, limit: int, back: tuple[int | None, int | None] | None) -> None:
        user = [*self.modelled.people][person]
        self.do(self.modelled.sync(node, user, back, limit) if back else self.modelled.follow(node, user, limit))

    def look(self, node: int, talk: int, side: int, limit: int, listing: bool) -> None:
        in_talk = self.modelled.talks[talk]
        user = in_talk.members[side]
        modelled = self.modelled
        look = modelled.listing(node, user, limit) if listing else modelled.history(node, in_talk, user, limit)
        self.do(look)

    def restart(self, node: int) -> None:
        self.do(self.modelled.restart(node))

    def teardown(self) -> None:
        if hasattr(self, "modelled"):
            self.do(self.modelled.check())


def _picked(talk: ConversationModel, number: int) -> ModelMessage:
    """A message, counted from the newest."""
    return talk.messages[-1 - number % len(talk.messages)]


@pytest.mark.parametrize("examples", [6, pytest.param(15, marks=pytest.mark.verify)])
async def test_every_answer_is_what_the_model_says(shared_database: Database, examples: int) -> None:
    await run_machine(Conversations, examples, 25, database=shared_database)


@pytest.mark.soak
async def test_every_answer_is_what_the_model_says_for_long(shared_database: Database) -> None:
    await run_machine(Conversations, 400, 60, database=shared_database)
