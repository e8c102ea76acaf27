"""Durable work, as handlers describe it: a job says where its rows are and what is done with one of them.

The runner (``server/cluster/runner.py``) claims the rows, on any number of nodes, and does the rest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from domain.webhooks import MAX_ENDPOINTS
from store.backoff import ExponentialBackoff
from store.work_queue import WorkQueue, WorkRow

# Jobs that are woken by their names.
DUE_BOOKINGS = "bookings due"
FILE_SWEEPS = "file sweeps"
SIGN_IN_NOTICES = "sign-in notices"
PAYMENTS = "open payments"
STRIPE_EVENTS = "Stripe events"
TRAINER_PARTS = "trainers' parts of payments"
FINAL_REFUNDS = "refunds of erased accounts"
BOOKING_MAILS = "booking mails"
REMINDER_MAILS = "reminder mails"
# By service.
PUSHES = {"apns": "pushes by APNs", "fcm": "pushes by FCM"}
# By the number of the endpoint's queue.
WEBHOOKS = tuple(f"webhooks {number}" for number in range(1, MAX_ENDPOINTS + 1))
EXPORTS = "exports"
ERASURES = "erasures"


class Postponed(Exception):
    """Raised by a job's work: the row can't be done now, and is not to blame for it. It is tried again later, however
    often that happens."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Pauses between attempts at one row: doubled each time, up to the longest; a quarter more or less of that.

    ``longest_excused``: where the row is not to blame, and the cause will be gone at any moment.
    """

    first: timedelta = timedelta(seconds=1)
    longest: timedelta = timedelta(minutes=5)
    longest_excused: timedelta = timedelta(seconds=30)

    def pause(self, attempts: int, *, excused: bool) -> timedelta:
        longest = self.longest_excused if excused else self.longest
        seconds = ExponentialBackoff(self.first.total_seconds(), longest.total_seconds(), jitter=(0.75, 1.25))
        return timedelta(seconds=seconds.pause(attempts))


@dataclass(frozen=True, slots=True)
class Job:
    """One kind of durable work.

    ``work`` is called with a claimed row, whose document is as it is stored. When it returns, the row is done (it may
    have been given another instant, or been removed); when it raises, the row is tried again later, and set aside
    after so many ``attempts``. It may be called again for a row that it has finished, and must be over within
    ``lease``: then it is cancelled, as another node may begin.
    """

    name: str
    queue: WorkQueue
    work: Callable[[WorkRow], Awaitable[object]]
    lease: timedelta = timedelta(seconds=60)
    # Rows that one node works on at once.
    at_once: int = 4
    # Between two looks for rows, when there are none; ``WakeUps`` shortens it.
    poll: timedelta = timedelta(seconds=2)
    # With the standard back-off that is about an hour.
    attempts: int = 20
    backoff: Backoff = Backoff()


class WakeUps:
    """Wakes this node's runner when a job has fresh rows, so that they need not wait for it to look."""

    def __init__(self) -> None:
        self._events: dict[str, asyncio.Event] = {}

    def wake(self, job: str) -> None:
        self.of(job).set()

    def of(self, job: str) -> asyncio.Event:
        return self._events.setdefault(job, asyncio.Event())
