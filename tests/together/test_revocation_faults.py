"""Revocations while one way of hearing them is broken, clocks differ, or the row comes late."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from domain.sessions import KEPT, Revocation
from domain.times import whole_milliseconds
from server.app import utc_now
from server.revocation import watch
from server.security import tokens
from server.security.tokens import Claims
from store import revocations as stored
from store.revocations import Revocations
from tests.harness.clock import RunningClock
from tests.harness.devices import TIMEOUT_SECONDS
from tests.harness.light_sockets import all_gone, open_sockets
from tests.harness.waiting import until
from tests.together.revocation_nodes import DEAD_REDIS, PASSWORD, WITHIN_SECONDS, Fleet, fleet


class StalledChangeStream:
    """A change stream that says nothing, as one does whose connection died unnoticed."""

    async def next(self) -> Revocation | None:
        await asyncio.Event().wait()
        return None

    async def close(self) -> None:
        """Nothing is open."""


class Polls:
    """Real polls, counted; held back while ``open`` is not set."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.open = asyncio.Event()
        self.open.set()
        self._done = asyncio.Condition()
        self._count = 0
        since = Revocations.since

        async def counted(rows: Revocations, at: datetime) -> list[Revocation]:
            await self.open.wait()
            found = await since(rows, at)
            async with self._done:
                self._count += 1
                self._done.notify_all()
            return found

        patch.setattr(Revocations, "since", counted)

    async def rounds(self, count: int) -> None:
        """Wait for so many more, of any node."""
        async with asyncio.timeout(15), self._done:
            until = self._count + count
            await self._done.wait_for(lambda: self._count >= until)


async def cut_by_logout(together: Fleet) -> None:
    """A socket on the second node is cut by a logout on the first, and another one is not."""
    person = await together.people.make()
    other = await together.people.another_device(person)
    async with open_sockets(together.nodes[1].url, [person.token, other.token]) as (cut, kept):
        assert (await together.post(0, "/auth/logout", token=person.token)).status == 204
        await all_gone([cut], WITHIN_SECONDS)
        assert cut.told("session:revoked") == [{"reason": "logout"}]
        assert await kept.is_usable()


async def test_the_poll_alone_suffices(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Revocations, "stream", lambda rows: StalledChangeStream())
    async with fleet(database_url, DEAD_REDIS, tmp_path) as together:
        await cut_by_logout(together)


async def test_the_stream_alone_suffices(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(rows: Revocations, at: datetime) -> list[Revocation]:
        raise OSError

    monkeypatch.setattr(Revocations, "since", broken)
    async with fleet(database_url, DEAD_REDIS, tmp_path) as together:
        await cut_by_logout(together)


async def test_a_stream_that_loses_its_cursor_again_and_again(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    polls = Polls(monkeypatch)
    async with fleet(database_url, DEAD_REDIS, tmp_path) as together:
        await polls.rounds(2)
        polls.open.clear()
        for _ in range(5):
            await kill_cursors(together)
            await cut_by_logout(together)


async def kill_cursors(together: Fleet) -> None:
    """Those of the change streams over this test's rows, as soon as there are any: a stream may be beginning anew."""
    database = together.nodes[0].node.database
    mine = {"ns": f"{database.db.name}.{stored.NAME}", "cursor.cursorId": {"$exists": True}}
    stages: list[dict[str, Any]] = [{"$currentOp": {"idleCursors": True}}, {"$match": mine}]
    cursors: list[int] = []
    async with asyncio.timeout(TIMEOUT_SECONDS):
        while not cursors:
            cursors = [one["cursor"]["cursorId"] async for one in database.client.admin.aggregate(stages)]
    await database.db.command("killCursors", stored.NAME, cursors=cursors)


async def test_a_stream_whose_collection_is_dropped_goes_on(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    polls = Polls(monkeypatch)
    async with fleet(database_url, DEAD_REDIS, tmp_path) as together:
        await cut_by_logout(together)
        polls.open.clear()
        await together.nodes[0].node.database.collection(stored.NAME).drop()
        await cut_by_logout(together)


@pytest.mark.parametrize(
    "behind",
    [
        timedelta(seconds=25),
        *(pytest.param(timedelta(seconds=seconds), marks=pytest.mark.verify) for seconds in (1, -1)),
    ],
)
async def test_a_session_made_after_the_change_stays_whatever_the_clocks_say(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, behind: timedelta
) -> None:
    polls = Polls(monkeypatch)
    async with fleet(database_url, DEAD_REDIS, tmp_path, utc_now, RunningClock(-behind)) as together:
        person = await together.person()
        async with open_sockets(together.nodes[1].url, [person.token]) as (old,):
            change = {"currentPassword": PASSWORD, "newPassword": PASSWORD + "!"}
            answer = await together.post(0, "/auth/change-password", change, person.token)
            login = await together.login(person, 1, PASSWORD + "!")
            async with open_sockets(together.nodes[1].url, [answer.body["accessToken"], login["accessToken"]]) as new:
                await all_gone([old], WITHIN_SECONDS)
                await polls.rounds(6)
                assert [await light.is_usable() for light in new] == [True, True]


async def test_a_row_received_late_ends_nothing_newer(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blocked, unblocked and signed in again while the node with the sockets receives nothing."""
    polls = Polls(monkeypatch)
    monkeypatch.setattr(Revocations, "stream", lambda rows: StalledChangeStream())
    async with fleet(database_url, DEAD_REDIS, tmp_path) as together:
        person, admin = await together.person(), await together.people.make("superAdmin")
        async with open_sockets(together.nodes[1].url, [person.token]) as (old,):
            polls.open.clear()
            for act in ("block", "unblock"):
                path = f"/admin/users/{person.id}/{act}"
                assert (await together.post(0, path, {"reason": "a mistake"}, admin.token)).status == 204
            again = await together.login(person)
            async with open_sockets(together.nodes[1].url, [again["accessToken"]]) as (new,):
                assert await old.is_usable()
                polls.open.set()
                await all_gone([old], WITHIN_SECONDS)
                await polls.rounds(4)
                assert await new.is_usable()


async def test_a_session_that_the_change_did_not_see_is_cut_as_well(database_url: str, tmp_path: Path) -> None:
    """A sign-in that overlapped a password change: its session is in no list, but it was made for the old password."""
    async with fleet(database_url, DEAD_REDIS, tmp_path) as together:
        person, other = await together.person(), await together.person()
        store, database = together.nodes[0].node.store, together.nodes[0].node.database
        now = whole_milliseconds(utc_now())
        async with open_sockets(together.nodes[1].url, [person.token, other.token]) as (cut, kept):
            await database.collection("users").update_one({"email": person.email}, {"$set": {"passwordChangedAt": now}})
            await database.transaction(
                lambda session: store.revocations.add(person.id, None, "password_changed", now, session=session)
            )
            await all_gone([cut], WITHIN_SECONDS)
            assert await kept.is_usable()


@pytest.mark.parametrize("slept", [True, False])
async def test_an_outage_longer_than_rows_are_kept(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slept: bool
) -> None:
    """An hour: the rows are gone, so everybody is looked at. The monotonic clock stands still while a machine sleeps,
    and the wall's may have been set back by as much."""
    polls = Polls(monkeypatch)
    monkeypatch.setattr(Revocations, "stream", lambda rows: StalledChangeStream())
    clock = RunningClock()
    async with fleet(database_url, DEAD_REDIS, tmp_path, utc_now, clock) as together:
        person, other = await together.person(), await together.person()
        async with open_sockets(together.nodes[1].url, [person.token, other.token]) as (cut, kept):
            polls.open.clear()
            assert (await together.post(0, "/auth/logout", token=person.token)).status == 204
            await together.nodes[0].node.database.collection(stored.NAME).delete_many({})
            if slept:
                clock.advance(hours=1)
            else:
                monkeypatch.setattr(watch, "monotonic", lambda: monotonic() + 3600)
            polls.open.set()
            await all_gone([cut], WITHIN_SECONDS)
            assert await kept.is_usable()


@pytest.mark.parametrize("act", ["logout", "logout-all"])
async def test_a_revocation_between_the_check_and_the_admission(database_url: str, tmp_path: Path, act: str) -> None:
    async with fleet(database_url, DEAD_REDIS, tmp_path) as together:
        person = await together.people.make()
        node = together.nodes[1].node
        checked, released = asyncio.Event(), asyncio.Event()
        authenticate = node.authenticator.authenticate

        async def slow(claims: Claims, address: str) -> object:
            found = await authenticate(claims, address)
            checked.set()
            await released.wait()
            return found

        node.authenticator.authenticate = slow  # type: ignore[method-assign, assignment]
        connecting = asyncio.ensure_future(open_sockets(together.nodes[1].url, [person.token]).__aenter__())
        await asyncio.wait_for(checked.wait(), WITHIN_SECONDS)
        assert (await together.post(0, f"/auth/{act}", token=person.token)).status == 204
        with pytest.raises(ConnectionRefusedError, match="This session has ended"):
            await asyncio.wait_for(connecting, WITHIN_SECONDS)
        released.set()
        await until(lambda: not node.registry.users)
        assert not node.gateway.eio.sockets
        assert node.rooms.connections == 0


async def test_rows_outlive_the_tokens_that_they_end(database_url: str, tmp_path: Path) -> None:
    assert tokens.LIFETIME + 2 * tokens.CLOCK_SKEW < KEPT
    async with fleet(database_url, DEAD_REDIS, tmp_path, utc_now) as together:
        node = together.nodes[0].node
        indexes = await node.database.collection(stored.NAME).index_information()
        assert [one for one in indexes.values() if "expireAfterSeconds" in one] == []
        # No setting is shorter than what nodes look back at.
        assert timedelta(days=1) > KEPT and node.settings.kept_days["REVOCATION_DAYS"] == 1
