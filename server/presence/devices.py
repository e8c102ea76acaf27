"""Who has devices on this node, and their statuses. A device that leaves counts until the grace is over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Hashable

from domain.presence import Status, combined

# A device that left: of those of one user with one status the last is remembered.
_Left = tuple[str, Status]


class Devices:
    """``changed(user, left at)`` is called with each change of what a user's devices here come to together."""

    def __init__(self, grace_seconds: float, clock_ms: Callable[[], int], changed: Callable[[str, int], None]) -> None:
        self._grace = grace_seconds
        self._clock_ms = clock_ms
        self._changed = changed
        self._of_user: dict[str, dict[Hashable, Status]] = {}
        self._user_of: dict[Hashable, str] = {}
        self._leaving: dict[_Left, asyncio.TimerHandle] = {}

    def connect(self, device: Hashable, user_id: str, status: Status = "online") -> None:
        """It has this status until it sets another; a known device goes on as it was."""
        if self._user_of.get(device) == user_id:
            return
        self.disconnect(device)
        self._user_of[device] = user_id
        self._put(user_id, device, status)

    def set(self, device: Hashable, status: Status) -> str | None:
        """Whose device it is."""
        user_id = self._user_of.get(device)
        if user_id is not None:
            self._put(user_id, device, status)
        return user_id

    def disconnect(self, device: Hashable) -> None:
        user_id = self._user_of.pop(device, None)
        if user_id is None:
            return
        devices = self._of_user[user_id]
        left: _Left = (user_id, devices.pop(device))
        devices[left] = left[1]
        if (earlier := self._leaving.pop(left, None)) is not None:
            earlier.cancel()
        loop = asyncio.get_running_loop()
        self._leaving[left] = loop.call_later(self._grace, self._gone, left, self._clock_ms())

    def end_graces(self) -> None:
        """Whoever left is gone now."""
        for left in tuple(self._leaving):
            self._leaving[left].cancel()
            self._gone(left, self._clock_ms())

    def status(self, user_id: str) -> Status | None:
        return combined(self._of_user.get(user_id, {}).values())

    @property
    def users(self) -> Collection[str]:
        return self._of_user.keys()

    @property
    def leaving(self) -> int:
        return len(self._leaving)

    def stop(self) -> None:
        for timer in self._leaving.values():
            timer.cancel()
        self._leaving.clear()

    def _gone(self, left: _Left, left_at: int) -> None:
        del self._leaving[left]
        user_id = left[0]
        before = self.status(user_id)
        devices = self._of_user[user_id]
        del devices[left]
        if not devices:
            del self._of_user[user_id]
        if self.status(user_id) != before:
            self._changed(user_id, left_at)

    def _put(self, user_id: str, device: Hashable, status: Status) -> None:
        before = self.status(user_id)
        self._of_user.setdefault(user_id, {})[device] = status
        if self.status(user_id) != before:
            self._changed(user_id, self._clock_ms())
