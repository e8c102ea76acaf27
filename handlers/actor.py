"""Who gives a command."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from domain.accounts import ADMINISTRATORS, Role
from domain.presence import Status


@dataclass(frozen=True, slots=True)
class Actor:
    """A signed-in user on one connection or request, with what its token and the database say of it."""

    user_id: str
    role: Role
    profile_id: str
    session_id: str
    address: str = ""
    # What the device said of its owner before this connection or request.
    presence: Status = "online"
    # The socket's part in the namespace; nothing for a request.
    connection: str = ""
    # Held from a command's arrival until it is submitted to the log, so that what one socket sends
    # enters the log in the order in which it arrived.
    turn: AbstractAsyncContextManager[object] = field(default_factory=asyncio.Lock, compare=False, repr=False)

    @property
    def is_admin(self) -> bool:
        return self.role in ADMINISTRATORS


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody without a token: only the public commands take one."""

    address: str = ""
