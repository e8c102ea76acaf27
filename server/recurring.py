"""What every node does again and again beside answering; each single thing is done by one of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from handlers.accounts.me import look_again
from handlers.bookings import announce, due
from handlers.context import Context
from handlers.files.uses import sweep
from handlers.messages.recovery import redrive_changes


@dataclass(frozen=True, slots=True)
class Job:
    """``seconds`` between two rounds, on average."""

    seconds: float
    name: str
    work: Callable[[Context], Awaitable[object]]


JOBS = (
    Job(1.0, "due work", due.work),
    Job(2.0, "redrive bookings", announce.redrive),
    Job(20.0, "redrive changes", redrive_changes),
    Job(30.0, "sweep files", sweep),
    Job(30.0, "look again", look_again),
)
