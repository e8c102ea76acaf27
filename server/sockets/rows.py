"""A row of the registry: an event, its command, its handler, and how often it may come."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from domain.commands import Command
from handlers.actor import Actor
from handlers.context import Context

Handler = Callable[[Context, Actor, Any], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Rate:
    """What one user may do: so many a second in the long run, so many at once."""

    per_second: float
    burst: int


ORDINARY = Rate(10, 40)


@dataclass(frozen=True, slots=True)
class Row:
    event: str
    command: type[Command]
    handler: Handler
    rate: Rate = ORDINARY
    # Its answer may be as large as answers get: of these a socket has one at work at a time.
    bulky: bool = False
