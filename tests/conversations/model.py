"""A conversation as the wire contract describes it, in plain Python: what the server's answers are compared with."""

from __future__ import annotations

from dataclasses import dataclass, field

from domain.conversations import UNREAD_CAP
from domain.errors import Code
from tests.conversations.replica import HeldWatermarks
from tests.harness.devices import Data

FIRST_MESSAGES = 20


class Refusal(Exception):
    def __init__(self, code: Code) -> None:
        super().__init__(code.value)
        self.code = code.value


@dataclass(eq=False)
class ModelMessage:
    """A message; ``body`` is what was sent, ``words`` every text that it ever had."""

    sender: str
    key: str
    body: tuple[str, str | None]
    seq: int
    created_at: str
    id: str = ""
    text: str | None = None
    # (emoji, user) in the order in which they came.
    marks: dict[tuple[str, str], None] = field(default_factory=dict)
    words: list[str] = field(default_factory=list)
    edited_at: str | None = None
    deleted_at: str | None = None
    updated_at: str = ""

    def reactions(self) -> list[Data]:
        users: dict[str, list[str]] = {}
        for emoji, user in self.marks:
            users.setdefault(emoji, []).append(user)
        return [{"emoji": emoji, "userIds": ids} for emoji, ids in users.items()]


class ConversationModel:
    """Two people's conversation. What is not allowed raises ``Refusal``; a change answers whether it is an entry."""

    def __init__(self, conversation_id: str, members: tuple[str, str], opened_at: str) -> None:
        self.id, self.members, self.opened_at = conversation_id, members, opened_at
        self.entries: list[tuple[str, ModelMessage]] = []
        self.marks = {user: HeldWatermarks() for user in members}

    @property
    def head(self) -> int:
        return len(self.entries)

    @property
    def messages(self) -> list[ModelMessage]:
        return [said for change, said in self.entries if change == "new"]

    def send(self, sender: str, key: str, text: str, reply_to: str | None, at: str) -> tuple[ModelMessage, bool]:
        first = next((said for said in self.messages if (said.sender, said.key) == (sender, key)), None)
        if first is not None:
            if first.body != (text, reply_to):
                raise Refusal(Code.IDEMPOTENCY_CONFLICT)
            return first, False
        said = ModelMessage(sender, key, (text, reply_to), self.head + 1, at, text=text, words=[text], updated_at=at)
        self.entries.append(("new", said))
        return said, True

    def edit(self, user: str, said: ModelMessage, text: str, at: str) -> bool:
        self._own(user, said)
        self._standing(said)
        if said.text == text:
            return False
        self.edited(said, text, at)
        return True

    def edited(self, said: ModelMessage, text: str, at: str) -> None:
        said.text, said.edited_at, said.updated_at = text, at, at
        said.words.append(text)
        self.entries.append(("edit", said))

    def delete(self, user: str, said: ModelMessage, at: str) -> bool:
        self._own(user, said)
        if said.deleted_at is not None:
            return False
        said.text, said.deleted_at, said.updated_at = None, at, at
        said.marks.clear()
        self.entries.append(("delete", said))
        return True

    def react(self, user: str, said: ModelMessage, emoji: str, remove: bool, at: str) -> bool:
        self._standing(said)
        if ((emoji, user) in said.marks) is not remove:
            return False
        if remove:
            del said.marks[emoji, user]
        else:
            said.marks[emoji, user] = None
        said.updated_at = at
        self.entries.append(("reaction", said))
        return True

    def mark(self, user: str, kind: str, seq: int) -> dict[str, int]:
        """Raise a watermark; answers those that moved."""
        before, seq = self.marks[user], min(seq, self.head)
        seen = max(before.seen, seq if kind == "seen" else 0)
        after = self.marks[user] = HeldWatermarks(seen, max(before.delivered, seq))
        moved = {"delivered": after.delivered} if after.delivered > before.delivered else {}
        return moved | ({"seen": after.seen} if after.seen > before.seen else {})

    def other(self, user: str) -> str:
        return self.members[self.members.index(user) - 1]

    def unread(self, user: str) -> int:
        theirs = (said for said in self.messages if said.sender != user and said.deleted_at is None)
        return min(UNREAD_CAP, sum(said.seq > self.marks[user].seen for said in theirs))

    def wire(self, said: ModelMessage) -> Data:
        return {
            "id": said.id,
            "conversationId": self.id,
            "senderId": said.sender,
            "kind": "text",
            "seq": said.seq,
            "clientMessageId": said.key,
            "text": said.text,
            "imageUrls": [],
            "videoUrls": [],
            "pdfUrls": [],
            "attachments": [],
            "seen": self.marks[self.other(said.sender)].seen >= said.seq,
            "replyTo": said.body[1],
            "reactions": said.reactions(),
            "editedAt": said.edited_at,
            "deletedAt": said.deleted_at,
            "createdAt": said.created_at,
            "updatedAt": said.updated_at,
        }

    def told(self, start: int, end: int) -> list[Data]:
        """The entries past ``start`` up to ``end``, as ``sync`` tells them."""
        return [
            {"seq": seq, "change": change, "message": self.wire(said)}
            for seq, (change, said) in enumerate(self.entries[start:end], start + 1)
        ]

    def newest(self, limit: int = FIRST_MESSAGES) -> list[Data]:
        return [self.wire(said) for said in self.messages[-limit:]]

    @property
    def updated_at(self) -> str:
        return self.messages[-1].created_at if self.entries else self.opened_at

    def check_view(self, user: str, conversation: Data) -> None:
        """What ``conversation`` says of this talk to one of its two."""
        last = self.newest(1)
        participants = conversation["participants"]
        people = {who["userId"]: HeldWatermarks(who["seenSeq"], who["deliveredSeq"]) for who in participants}
        expected = {
            "id": self.id,
            "head": self.head,
            "lastMessage": last[0] if last else None,
            "unread": self.unread(user),
            "mutedUntil": None,
            "createdAt": self.opened_at,
            "updatedAt": self.updated_at,
        }
        assert {name: conversation[name] for name in expected} == expected
        assert people == self.marks

    def check_introduction(self, conversation: Data) -> None:
        """What both are told of the talk before its first entry."""
        empty = ConversationModel(self.id, self.members, self.opened_at)
        empty.check_view(self.members[0], conversation)

    def check_sync(self, user: str, told: Data, cursor: int | None, limit: int) -> int:
        """One conversation of an answer of ``sync``; answers how many entries count towards its limit."""
        self.check_view(user, told["conversation"])
        if cursor is None or cursor > self.head:
            if told["hasMore"]:
                # Put off to the next answer.
                assert (told["entries"], "reset" in told) == ([], False)
                return 0
            assert told["reset"] is True
            assert told["cursor"] == self.head
            assert [entry["message"] for entry in told["entries"]] == self.newest(min(FIRST_MESSAGES, limit))
            assert all((e["seq"], e["change"]) == (e["message"]["seq"], "new") for e in told["entries"])
            return len(told["entries"])
        assert "reset" not in told
        assert told["entries"] == self.told(cursor, told["cursor"])
        assert told["hasMore"] is (told["cursor"] < self.head)
        return len(told["entries"])

    def check_held(self, user: str, state: Data) -> None:
        """What a device holds that has followed to the head; one that started over may lack old messages."""
        held = {message["id"] for message in state["messages"]}
        assert state["head"] == self.head
        assert state["messages"] == [self.wire(said) for said in self.messages if said.id in held]
        assert state["marks"] == {user_id: (marks.seen, marks.delivered) for user_id, marks in self.marks.items()}
        assert held or not self.messages
        if len(held) == len(self.messages):
            assert state["unread"] == self.unread(user)

    def check_log(self, documents: list[Data]) -> None:
        """The log itself: dense, each entry what it has to be, everything applied, nothing deleted left."""
        assert [document["seq"] for document in documents] == [*range(1, self.head + 1)]
        stored = [
            (document.get("change", "new"), str(document.get("target", document["_id"]))) for document in documents
        ]
        assert stored == [(change, said.id) for change, said in self.entries]
        assert not any("unapplied" in document for document in documents)
        gone = {word for said in self.messages if said.deleted_at is not None for word in said.words}
        assert not gone & {document.get("text") for document in documents}

    @staticmethod
    def _own(user: str, said: ModelMessage) -> None:
        if said.sender != user:
            raise Refusal(Code.FORBIDDEN)

    @staticmethod
    def _standing(said: ModelMessage) -> None:
        if said.deleted_at is not None:
            raise Refusal(Code.CONFLICT)
