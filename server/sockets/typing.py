"""Who is typing in which conversation, on this node. It ends by a command, with a message sent, or by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple

from domain import rooms
from domain.conversations import Membership
from domain.wire.events import TypingChanged
from handlers.ports import Publisher

# Of the wire contract: typing ends by itself after 7 s.
ENDS_AFTER_SECONDS = 7.0
# Another device of the user may have ended on another node meanwhile, and published the end of typing.
PUBLISH_AGAIN_AFTER_SECONDS = 3.0


class _Typing(NamedTuple):
    """``published_at``: the loop's time."""

    member: Membership
    published_at: float
    end: asyncio.TimerHandle


class TypingIndicators:
    """``hides``: whether somebody is not to be seen typing."""

    def __init__(self, publisher: Publisher, hides: Callable[[str], bool] = lambda user_id: False) -> None:
        self._publisher = publisher
        self._hides = hides
        self._active: dict[tuple[str, str], _Typing] = {}

    def set(self, member: Membership, user_id: str, *, active: bool) -> None:
        """Publish a change to the other side; a repetition extends it, and is published now and then."""
        key = (member.conversation_id, user_id)
        active = active and not self._hides(user_id)
        known = self._active.pop(key, None)
        if known is not None:
            known.end.cancel()
        elif not active:
            # So it is with each message that is sent: asking for the running loop is a system call there.
            return
        loop = asyncio.get_running_loop()
        again = known is not None and loop.time() - known.published_at >= PUBLISH_AGAIN_AFTER_SECONDS
        changed = known is None or again if active else known is not None
        if active:
            published_at = loop.time() if known is None or again else known.published_at
            self._active[key] = _Typing(member, published_at, loop.call_later(ENDS_AFTER_SECONDS, self._end, key))
        if changed:
            self._publish(member, user_id, active)

    def leave(self, user_id: str) -> None:
        """The user's last socket here is gone, or the user invisible: nothing is being typed any more."""
        for key in [key for key in self._active if key[1] == user_id]:
            self._active[key].end.cancel()
            self._end(key)

    def _end(self, key: tuple[str, str]) -> None:
        self._publish(self._active.pop(key).member, key[1], active=False)

    def _publish(self, member: Membership, user_id: str, active: bool) -> None:
        event = TypingChanged(conversation_id=member.conversation_id, user_id=user_id, active=active)
        self._publisher.publish(event, rooms.user(member.other(user_id)))
