"""What a node does with the rows it receives, without a database: whom it cuts, and what when it cannot ask."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any

import msgspec
import pytest

from domain.accounts import User
from domain.sessions import Revocation, Session
from server.revocation import watch as cutting
from server.revocation.freshness import Freshness
from server.revocation.watch import Cutter, Seen

NOW = datetime(2026, 11, 22, tzinfo=UTC)
USER = User(
    id="user", email="a@b.c", role="client", profile_id="", password=None, is_verified=True, created_at=NOW,
    updated_at=NOW,
)  # fmt: skip


def session(session_id: str, user_id: str = "user", **changes: Any) -> Session:
    made = Session(
        id=session_id, user_id=user_id, device=None, nonce="", generation=0, rotated_at=NOW, password_changed_at=None,
        created_at=NOW, last_used_at=NOW, expires_at=NOW + timedelta(days=1),
    )  # fmt: skip
    return msgspec.structs.replace(made, **changes)


class Node:
    """The sockets by user and session, and what the database would answer."""

    def __init__(self, **held: set[str]) -> None:
        self.held = held
        self.cuts: list[tuple[str, str, str | None]] = []
        self.rows: list[tuple[User, Session]] = []
        self.failures = 0
        self.asked: list[set[str]] = []
        self.cut_one = asyncio.Event()
        self.cutter = Cutter(self, self.holders, lambda: NOW)

    def user_ids(self) -> list[str]:
        return list(self.held)

    def sessions_of(self, user_id: str) -> set[str]:
        return set(self.held.get(user_id, ()))

    def cut(self, user_id: str, reason: str, session_id: str | None = None) -> None:
        self.cuts.append((user_id, reason, session_id))
        self.held[user_id].discard(session_id or "")
        self.cut_one.set()

    async def holders(self, session_ids: Collection[str]) -> list[tuple[User, Session]]:
        self.asked.append(set(session_ids))
        if self.failures:
            self.failures -= 1
            raise OSError
        return [(user, one) for user, one in self.rows if one.id in session_ids]

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.cutter.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def until_cut(self) -> None:
        await asyncio.wait_for(self.cut_one.wait(), 5)


def row(number: int, user_id: str, session_id: str | None = None) -> Revocation:
    return Revocation(id=str(number), user_id=user_id, session_id=session_id, reason="blocked", at=NOW)


async def test_a_named_session_is_cut_at_once_and_once() -> None:
    node = Node(user={"a", "b"})
    node.cutter.take([row(1, "user", "a"), row(1, "user", "a")])
    assert node.cuts == [("user", "blocked", "a")]
    assert node.asked == []


@pytest.mark.parametrize(
    ("user", "changes"),
    [
        ({}, {"revoked_at": NOW}),
        ({}, {"expires_at": NOW}),
        ({"password_changed_at": NOW}, {}),
        ({"is_blocked": True}, {}),
        ({"is_deleted": True}, {}),
    ],
)
async def test_of_a_named_user_only_what_no_longer_stands(user: dict[str, Any], changes: dict[str, Any]) -> None:
    node = Node(user={"a"}, other={"b"})
    barred = msgspec.structs.replace(USER, **user)
    node.rows = [(barred, session("a", **changes)), (USER, session("b"))]
    async with node.at_work():
        node.cutter.take([row(1, "user"), row(2, "other"), row(3, "nobody here")])
        await node.until_cut()
    assert node.cuts == [("user", "blocked", "a")]
    assert node.asked == [{"a", "b"}]


async def test_a_session_that_is_nowhere_does_not_stand() -> None:
    node = Node(user={"a"})
    async with node.at_work():
        node.cutter.take([row(1, "user")])
        await node.until_cut()
    assert node.cuts == [("user", "blocked", "a")]


async def test_it_asks_again_until_the_database_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cutting, "AGAIN_SECONDS", 0.01)
    node = Node(user={"a"})
    node.failures = 3
    async with node.at_work():
        node.cutter.take([row(1, "user")])
        await node.until_cut()
    assert len(node.asked) == 4


async def test_many_in_doubt_are_asked_for_in_few_questions() -> None:
    node = Node(**{f"user{at}": {f"a{at}"} for at in range(2500)})
    async with node.at_work():
        node.cutter.recheck_everybody()
        while len(node.cuts) < 2500:
            await asyncio.wait_for(node.cut_one.wait(), 5)
            node.cut_one.clear()
    assert [len(asked) for asked in node.asked] == [1000, 1000, 500]


def test_what_was_seen_is_bounded() -> None:
    seen = Seen(most=2)
    assert [seen.is_new(one) for one in "aabca"] == [True, False, True, True, True]


def test_a_callback_that_raises_keeps_nobody_from_sending_what_was_withheld() -> None:
    freshness = Freshness()
    sent: list[float] = []
    freshness.start()
    freshness.on_restored(lambda: sent.append(1 / 0))
    freshness.on_restored(lambda: sent.append(1))
    freshness.missed()
    freshness.confirm(monotonic())
    assert sent == [1]
