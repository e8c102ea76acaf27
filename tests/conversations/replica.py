"""What a device holds that follows the contract: fed by live events, by ``sync``, or by both."""

from __future__ import annotations

from dataclasses import dataclass, field

from domain.conversations import UNREAD_CAP
from tests.harness.devices import Data


@dataclass
class HeldWatermarks:
    seen: int = 0
    delivered: int = 0


@dataclass
class HeldConversation:
    """One conversation as a device holds it."""

    cursor: int = 0
    # It began with its newest messages, and lacks those before them.
    partial: bool = False
    state: str | None = None
    muted_until: str | None = None
    messages: dict[str, Data] = field(default_factory=dict)
    marks: dict[str, HeldWatermarks] = field(default_factory=dict)

    def put(self, message: Data) -> None:
        self.messages[message["id"]] = message

    def mark(self, user_id: str, *, seen: int = 0, delivered: int = 0) -> None:
        marks = self.marks.setdefault(user_id, HeldWatermarks())
        marks.seen, marks.delivered = max(marks.seen, seen), max(marks.delivered, delivered, seen)

    def seen(self, message: Data) -> bool:
        """The other side's mark has reached the message."""
        sender = message["senderId"]
        return any(marks.seen >= message["seq"] for user_id, marks in self.marks.items() if user_id != sender)


class Replica:
    def __init__(self, user_id: str) -> None:
        self.user_id = user_id
        self.conversations: dict[str, HeldConversation] = {}

    @property
    def cursors(self) -> dict[str, int]:
        return {conversation_id: held.cursor for conversation_id, held in self.conversations.items()}

    @property
    def named(self) -> dict[str, Data]:
        """The same with what else was received: what is unchanged is not told again."""
        return {i: {"seq": held.cursor, "state": held.state} for i, held in self.conversations.items()}

    def receive(self, event: str, data: Data) -> None:
        """A live event; an entry that is not the next one after those held is a fault of the server's."""
        if event == "conversation:new":
            # What is known already is known better.
            if data["conversation"]["id"] not in self.conversations:
                self._know(data["conversation"])
        elif event in ("message:new", "message:updated"):
            held = self.conversations[data["conversationId"]]
            if data["seq"] > held.cursor:
                assert data["seq"] == held.cursor + 1, (event, data["seq"], held.cursor)
                held.cursor = data["seq"]
                held.put(data["message"])
        elif event in ("conversation:seen", "conversation:delivered"):
            mark = event.removeprefix("conversation:")
            self.conversations[data["conversationId"]].mark(data["userId"], **{mark: data["seq"]})
        elif event == "conversation:muted" and data["conversationId"] in self.conversations:
            self.conversations[data["conversationId"]].muted_until = data["mutedUntil"]

    def take(self, answer: Data, *, quiet: bool = True) -> None:
        """An answer of ``sync``; ``quiet`` unless others go on changing messages meanwhile."""
        for told in answer["conversations"]:
            conversation = told["conversation"]
            if told.get("reset"):
                partial = told["cursor"] > 0 and told["entries"][0]["seq"] > 1
                self.conversations[conversation["id"]] = HeldConversation(cursor=told["cursor"], partial=partial)
            held = self._know(conversation)
            held.state = told["state"]
            for entry in told["entries"]:
                if not told.get("reset"):
                    assert entry["seq"] == held.cursor + 1
                    held.cursor = entry["seq"]
                held.put(entry["message"])
            assert held.cursor == told["cursor"]
            if not told["hasMore"]:
                assert held.cursor == conversation["head"]
                self._agrees(held, conversation, quiet)

    def _know(self, conversation: Data) -> HeldConversation:
        held = self.conversations.setdefault(conversation["id"], HeldConversation())
        held.muted_until = conversation["mutedUntil"]
        for who in conversation["participants"]:
            held.mark(who["userId"], seen=who["seenSeq"], delivered=who["deliveredSeq"])
        return held

    def _agrees(self, held: HeldConversation, conversation: Data, quiet: bool) -> None:
        """What the answer says of the conversation as a whole follows from its messages."""
        last = max(held.messages.values(), key=lambda message: message["seq"], default=None)
        told = conversation["lastMessage"]
        if quiet or last is None or told is None or told["updatedAt"] == last["updatedAt"]:
            assert told == (last and {**last, "seen": held.seen(last)})
        else:
            # It was changed since its entry was read; the change is past the head.
            assert told["updatedAt"] > last["updatedAt"]
            stays = ("id", "seq", "createdAt", "senderId", "kind", "clientMessageId")
            assert [told[name] for name in stays] == [last[name] for name in stays]
        mine = next(who for who in conversation["participants"] if who["userId"] == self.user_id)
        unread = self.unread(conversation["id"], mine["seenSeq"])
        if quiet:
            # Otherwise what was deleted since counts no longer.
            assert conversation["unread"] >= unread if held.partial else conversation["unread"] == unread

    def unread(self, conversation_id: str, seen_seq: int | None = None) -> int:
        held = self.conversations[conversation_id]
        past: int = held.marks.setdefault(self.user_id, HeldWatermarks()).seen if seen_seq is None else seen_seq
        theirs = (m for m in held.messages.values() if m["senderId"] != self.user_id and m["deletedAt"] is None)
        return min(UNREAD_CAP, sum(int(message["seq"]) > past for message in theirs))

    def state(self) -> dict[str, object]:
        """All of it, in a form that two replicas of one user can be compared by."""
        return {
            conversation_id: {
                "head": held.cursor,
                "unread": self.unread(conversation_id),
                "mutedUntil": held.muted_until,
                "marks": {user_id: (marks.seen, marks.delivered) for user_id, marks in held.marks.items()},
                "messages": [
                    {**message, "seen": held.seen(message)}
                    for message in sorted(held.messages.values(), key=lambda message: message["seq"])
                ],
            }
            for conversation_id, held in sorted(self.conversations.items())
        }
