"""A message to ourselves each second: if it does not come back, a connection is dead without saying so."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from server.fanout.subscription import Subscription

EVERY_SECONDS = 1.0
BACK_WITHIN_SECONDS = 1.5
_LOOK_EVERY_SECONDS = 0.25


class Canary:
    """Flies while ``ready``; ``lost`` is called when one did not come back."""

    def __init__(
        self,
        channel: str,
        publish: Callable[[bytes, bytes], None],
        ready: Callable[[], bool],
        lost: Callable[[], None],
    ) -> None:
        self.subscription = Subscription(channel, self._back)
        self._publish = publish
        self._ready = ready
        self._lost = lost
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._number = 0
        self._flying_since: float | None = None
        self._sent_at = self._looked_at = 0.0

    def start(self) -> None:
        self._looked_at = self._loop.time()
        self._timer = self._loop.call_later(_LOOK_EVERY_SECONDS, self._look)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def rest(self) -> None:
        """A connection is known to be lost: nothing is to be expected."""
        self._flying_since = None

    def _back(self, payload: bytes) -> None:
        if payload == b"%d" % self._number:
            self._flying_since = None

    def _look(self) -> None:
        now = self._loop.time()
        late = now - self._looked_at - _LOOK_EVERY_SECONDS
        self._looked_at = now
        self._timer = self._loop.call_later(_LOOK_EVERY_SECONDS, self._look)
        if self._flying_since is not None and late > _LOOK_EVERY_SECONDS:
            # We were the ones who stood still; the answer may lie unread in the socket.
            self._flying_since = now
        elif self._flying_since is not None and now - self._flying_since > BACK_WITHIN_SECONDS:
            self._flying_since = None
            self._lost()
        elif self._flying_since is None and now - self._sent_at >= EVERY_SECONDS and self._ready():
            self._number += 1
            self._flying_since = self._sent_at = now
            self._publish(self.subscription.channel, b"%d" % self._number)
