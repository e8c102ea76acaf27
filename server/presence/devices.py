"""Who has devices on this node, and their statuses. A device that leaves counts until the grace is over."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable

from domain.presence import NO_CHOICE, Choice, Status, combined, resumed

# Of those who have no device here, so that a connection that was looked up earlier does not bring back what is over.
MOST_CHOICES = 10_000
# A device that left: of those of one user with one status the last is remembered.
_Left = tuple[str, Status]


class Devices:
    """``changed(user, left at)`` is called with each change of what a user's devices here come to together, and with
    each choice of a user who has devices here."""

    def __init__(self, grace_seconds: float, clock_ms: Callable[[], int], changed: Callable[[str, int], None]) -> None:
        self._grace = grace_seconds
        self._clock_ms = clock_ms
        self._changed = changed
        self._of_user: dict[str, dict[Hashable, Status]] = {}
        self._user_of: dict[Hashable, str] = {}
        self._leaving: dict[_Left, asyncio.TimerHandle] = {}
        self._choices: OrderedDict[str, Choice] = OrderedDict()

    def connect(self, device: Hashable, user_id: str, status: Status = "online") -> None:
        """It has this status until it sets another; a known device goes on as it was."""
        if self._user_of.get(device) == user_id:
            return
        self.disconnect(device)
        self._user_of[device] = user_id
        # The status was read with the account: what the person chose may be newer.
        self._put(user_id, device, resumed(status, self.choice(user_id)))

    def choose(self, user_id: str, choice: Choice) -> bool:
        """Whether it is news what the person chose for all devices."""
        if choice.version <= self.choice(user_id).version:
            return False
        self._choices[user_id] = choice
        # Before the oldest are forgotten: a device of theirs may be about to be admitted.
        self._choices.move_to_end(user_id)
        self._forget_choices()
        if choice.status is not None and not choice.hides:
            # Whoever said that its owner is invisible says nothing of its own any more.
            devices = self._of_user.get(user_id, {})
            devices.update({device: choice.status for device, said in devices.items() if said == "invisible"})
        if user_id in self._of_user:
            # Also when their status is as before: the newest choice holds over what other nodes have of them.
            self._changed(user_id, self._clock_ms())
        return True

    def choice(self, user_id: str) -> Choice:
        return self._choices.get(user_id, NO_CHOICE)

    def user_of(self, device: Hashable) -> str | None:
        return self._user_of.get(device)

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

    def hides(self, user_id: str) -> bool:
        """Whether somebody with devices here chose to be invisible; of others it may have been a while ago."""
        return user_id in self._of_user and self.choice(user_id).hides

    def status(self, user_id: str) -> Status | None:
        devices = self._of_user.get(user_id)
        if devices is None:
            return None
        return "invisible" if self.choice(user_id).hides else combined(devices.values())

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

    def _forget_choices(self) -> None:
        # Those who are here are passed over, which no BoundedMap does: two for each new one, so that it never grows
        # beyond them and the limit.
        for _ in range(2):
            if len(self._choices) <= MOST_CHOICES:
                return
            oldest = next(iter(self._choices))
            if oldest in self._of_user:
                self._choices.move_to_end(oldest)
            else:
                del self._choices[oldest]

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
