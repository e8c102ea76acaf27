"""Who is typing in which conversation, on this node. It ends when told, when a message is sent, or by itself."""

from __future__ import annotations

import asyncio

from domain import rooms
from domain.conversations import Membership
from domain.events import TypingChanged
from handlers.ports import Publisher

# CONTRACT.md: typing ends by itself after 7 s.
ENDS_AFTER_SECONDS = 7.0


class TypingIndicators:
    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._active: dict[tuple[str, str], tuple[Membership, asyncio.TimerHandle]] = {}

    def set(self, member: Membership, user_id: str, *, active: bool) -> None:
        """Tell the other side of a change; a repetition only extends it."""
        key = (member.conversation_id, user_id)
        known = self._active.pop(key, None)
        if known is not None:
            known[1].cancel()
        if active:
            loop = asyncio.get_running_loop()
            self._active[key] = (member, loop.call_later(ENDS_AFTER_SECONDS, self._end, key))
        if active is (known is None):
            self._publish(member, user_id, active)

    def leave(self, user_id: str) -> None:
        """The user's last socket here is gone: nothing is being typed any more."""
        for key in [key for key in self._active if key[1] == user_id]:
            self._active[key][1].cancel()
            self._end(key)

    def _end(self, key: tuple[str, str]) -> None:
        member, _ = self._active.pop(key)
        self._publish(member, key[1], active=False)

    def _publish(self, member: Membership, user_id: str, active: bool) -> None:
        event = TypingChanged(conversation_id=member.conversation_id, user_id=user_id, active=active)
        self._publisher.publish(event, rooms.user(member.other(user_id)))
