"""From revocation rows to closed sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable
from datetime import datetime
from typing import Protocol

from domain.accounts import User, may_sign_in
from domain.revocations import Reason, Revocation
from domain.sessions import Session, is_live
from server.revocation.health import Health
from server.revocation.seen import Seen

AGAIN_SECONDS = 0.5
# Sessions asked for at once.
_CHUNK = 1000


class Sockets(Protocol):
    """The sockets of this node."""

    def user_ids(self) -> list[str]: ...
    def sessions_of(self, user_id: str) -> set[str]: ...
    def cut(self, user_id: str, reason: str, session_id: str | None = None) -> None: ...


class Cutter:
    """Cuts a named session at once, and of a named user whatever the database no longer lets stand."""

    def __init__(
        self,
        sockets: Sockets,
        holders: Callable[[Collection[str]], Awaitable[list[tuple[User, Session]]]],
        clock: Callable[[], datetime],
    ) -> None:
        self._sockets = sockets
        self._holders = holders
        self._clock = clock
        self._seen = Seen()
        self._doubted: dict[str, Reason] = {}
        self._doubts = asyncio.Event()

    def take(self, rows: Iterable[Revocation]) -> None:
        """Act on those that are new."""
        for row in rows:
            if not self._seen.is_new(row.id):
                continue
            if row.session_id is not None:
                self._sockets.cut(row.user_id, row.reason, row.session_id)
            elif self._sockets.sessions_of(row.user_id):
                self._doubt(row.user_id, row.reason)

    def doubt_everybody(self) -> None:
        """After a silence longer than rows are kept."""
        for user_id in self._sockets.user_ids():
            self._doubt(user_id, "session_ended")

    def _doubt(self, user_id: str, reason: Reason) -> None:
        self._doubted[user_id] = reason
        self._doubts.set()

    async def run(self) -> None:
        """Look into the database for those in doubt, all who came up meanwhile at once, until cancelled."""
        health = Health("look-up")
        while True:
            await self._doubts.wait()
            self._doubts.clear()
            doubted, self._doubted = self._doubted, {}
            try:
                await self._settle(doubted)
                health.well()
            except Exception as error:
                health.failed(error)
                self._doubted = doubted | self._doubted
                await asyncio.sleep(AGAIN_SECONDS)
                self._doubts.set()

    async def _settle(self, doubted: dict[str, Reason]) -> None:
        held = [(user_id, one) for user_id in doubted for one in self._sockets.sessions_of(user_id)]
        for start in range(0, len(held), _CHUNK):
            chunk = held[start : start + _CHUNK]
            standing = await self._standing([session_id for _, session_id in chunk])
            for user_id, session_id in chunk:
                if session_id not in standing:
                    self._sockets.cut(user_id, doubted[user_id], session_id)

    async def _standing(self, session_ids: list[str]) -> set[str]:
        now = self._clock()
        found = await self._holders(session_ids)
        return {session.id for user, session in found if may_sign_in(user) and is_live(session, user, now)}
