"""Commands of ``/presence``."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from domain.commands import Command
from domain.fields import Id
from domain.presence import Status

UserIds = Annotated[tuple[Id, ...], Meta(min_length=1, max_length=200)]


class WatchPresence(Command, frozen=True, kw_only=True):
    user_ids: UserIds


class UnwatchPresence(Command, frozen=True, kw_only=True):
    user_ids: UserIds


class SetPresence(Command, frozen=True, kw_only=True):
    """What this device says of its owner, until it says otherwise or its session ends."""

    status: Status
