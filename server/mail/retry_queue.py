"""The mails that wait for a try in memory, and whose turn it is.

A mail that failed for now waits here for its next try and holds up nobody: others have their first try meanwhile. When
the server does not take anything, many that wait must not all come back to it at once:

- one that cannot be reached, or refuses before a recipient is named, is away for all. The whole queue waits, with
  growing pauses, and one mail at a time probes it, so that an absence costs the others none of their tries;
- one that refuses recipient by recipient may mean these alone. First tries go on, and further ones are a pause apart
  for as long as nothing is taken.
"""

from __future__ import annotations

from bisect import insort
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from handlers.mail_rendering import Mail

# At a shutdown: quickly, but not in a busy loop.
_HURRIED_SECONDS = 0.5


@dataclass(slots=True, eq=False)
class WaitingMail:
    """``failures``: tries that came to nothing so far. ``not_before``: the next one, by the clock of the queue."""

    mail: Mail
    not_before: float
    failures: int = 0


class MailQueue:
    """``pauses`` between the tries of a mail, at least one. ``longest_away``: the longest between two probes."""

    def __init__(self, pauses: Sequence[float], longest_away: float, clock: Callable[[], float]) -> None:
        self._pauses = pauses
        self._longest_away = longest_away
        self._clock = clock
        self._hurried = False
        # By when they came, which is the order of their first tries; and by their next tries.
        self._fresh: deque[WaitingMail] = deque()
        self._again: list[WaitingMail] = []
        self._in_hand = 0
        # How often in succession the server was away, and until when nobody tries.
        self._away = 0
        self._open_at = 0.0
        # Until when nobody tries a further time, unless one is taken before.
        self._again_at = 0.0

    def __len__(self) -> int:
        """Without those in hand, of which each may come back."""
        return len(self._fresh) + len(self._again)

    @property
    def left(self) -> int:
        """All that is not over."""
        return len(self) + self._in_hand

    @property
    def mails(self) -> list[Mail]:
        return [one.mail for one in (*self._fresh, *self._again)]

    def add(self, mail: Mail, seconds: float) -> None:
        """A new one, to be tried after that time, which is the same for all."""
        self._fresh.append(WaitingMail(mail, self._clock() + seconds))

    def drop(self, gone: Collection[int]) -> None:
        """By the ids of the mails."""
        self._fresh = deque(one for one in self._fresh if id(one.mail) not in gone)
        self._again = [one for one in self._again if id(one.mail) not in gone]

    def hurry(self) -> None:
        """Nothing pauses for long any more."""
        self._hurried = True
        self._open_at = self._again_at = 0.0
        for one in (*self._fresh, *self._again):
            one.not_before = 0.0

    def take(self) -> tuple[WaitingMail | None, float | None]:
        """Whose turn it is; else after how many seconds to ask again, if that is known before something happens.
        Whoever is given a mail says ``over`` when the try is."""
        if self._away and self._in_hand:
            return None, None
        now = self._clock()
        firsts = [(max(one.not_before, self._open_at, now), one.not_before, one) for one in tuple(self._fresh)[:1]]
        firsts += [
            (max(one.not_before, self._open_at, self._again_at, now), one.not_before, one) for one in self._again[:1]
        ]
        if not firsts:
            return None, None
        at, _, one = min(firsts, key=lambda first: first[:2])
        if at > now:
            return None, at - now
        if one.failures:
            self._again.pop(0)
            self._again_at = now + self._hurrying(self._pauses[0])
        else:
            self._fresh.popleft()
        self._in_hand += 1
        return one, None

    def over(self) -> None:
        self._in_hand -= 1

    # --- what a try came to ---

    def answered(self) -> None:
        """The server is there, whatever it said."""
        self._away, self._open_at = 0, 0.0

    def taken(self) -> None:
        self.answered()
        self._again_at = 0.0

    def failed(self, one: WaitingMail, *, away: bool) -> float | None:
        """For now; ``away``: any other would have as well. Answers after how many seconds it is tried again; nothing
        when this was the last try."""
        now = self._clock()
        if away:
            self._away += 1
            pause = min(self._pauses[min(self._away, len(self._pauses)) - 1], self._longest_away)
            self._open_at = now + self._hurrying(pause)
        else:
            self.answered()
        if one.failures == len(self._pauses):
            return None
        pause = self._hurrying(self._pauses[one.failures])
        one.failures += 1
        one.not_before = now + pause
        insort(self._again, one, key=lambda waiting: waiting.not_before)
        return pause

    def _hurrying(self, pause: float) -> float:
        return min(pause, _HURRIED_SECONDS) if self._hurried else pause
