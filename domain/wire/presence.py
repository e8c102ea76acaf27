"""Commands of ``/presence``."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from domain.presence import PublicStatus, Status
from domain.wire.base import Answer, Command
from domain.wire.fields import Id

UserIds = Annotated[tuple[Id, ...], Meta(min_length=1, max_length=200)]


class WatchPresence(Command, frozen=True, kw_only=True):
    user_ids: UserIds


class UnwatchPresence(Command, frozen=True, kw_only=True):
    user_ids: UserIds


class SetPresence(Command, frozen=True, kw_only=True):
    """What this device says of its owner, until it says otherwise or its session ends.

    ``invisible`` holds for the owner, on all devices, until one of them says something else.
    """

    status: Status


class Presence(Answer, frozen=True, kw_only=True):
    """``last_seen_at`` is null for whoever is there now, and for whoever was never seen."""

    user_id: str
    status: PublicStatus
    last_seen_at: str | None


class PresenceList(Answer, frozen=True, kw_only=True):
    presences: list[Presence]
