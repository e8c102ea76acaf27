"""The rooms of this node, indexed so that leaving costs what was joined."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Protocol

from domain import rooms as room_names
from domain.errors import Code, DomainError
from domain.slots import Days
from domain.wire.events import BOOKINGS
from server.engineio.socket import EngineSocket

_NOBODY: dict[str, EngineSocket] = {}
# A person looks at a few trainers; what is joined costs a channel.
MAX_WATCHED = 50


class RoomChannels(Protocol):
    """A room's subscription between nodes: held from the first ``enter`` until it was left as often."""

    def enter(self, room: str) -> asyncio.Future[bool]: ...
    def leave(self, room: str) -> None: ...


class RoomMembers:
    """The sockets in each room of each namespace, by the id of their connection."""

    def __init__(self) -> None:
        self._sockets: dict[tuple[str, str], dict[str, EngineSocket]] = {}
        # Of those who watch slots: which days of the room's trainer, by connection; two while one is being asked for.
        self._days: dict[str, dict[str, tuple[Days, ...]]] = {}

    def of(self, namespace: str, room: str) -> Collection[EngineSocket]:
        """A copy: writing to one that does not read may end it, and with it its membership."""
        return tuple(self._sockets.get((namespace, room), _NOBODY).values())

    def connections(self, namespace: str, room: str) -> Collection[str]:
        return tuple(self._sockets.get((namespace, room), _NOBODY))

    def add(self, namespace: str, room: str, sid: str, socket: EngineSocket) -> None:
        self._sockets.setdefault((namespace, room), {})[sid] = socket

    def remove(self, namespace: str, room: str, sid: str) -> bool:
        """False when it was no member."""
        members = self._sockets.get((namespace, room))
        if members is None or members.pop(sid, None) is None:
            return False
        if (days := self._days.get(room)) is not None:
            days.pop(sid, None)
            if not days:
                del self._days[room]
        if not members:
            del self._sockets[namespace, room]
        return True

    def days(self, room: str, sid: str) -> tuple[Days, ...]:
        return self._days.get(room, {}).get(sid, ())

    def set_days(self, room: str, sid: str, days: tuple[Days, ...]) -> None:
        self._days.setdefault(room, {})[sid] = days

    def watchers(self, trainer_id: str) -> dict[Days, list[EngineSocket]]:
        """The sockets that watch a trainer's slots, by the days that they watch."""
        room = room_names.slots(trainer_id)
        found: dict[Days, list[EngineSocket]] = {}
        for sid, socket in self._sockets.get((BOOKINGS, room), _NOBODY).items():
            for days in self.days(room, sid):
                found.setdefault(days, []).append(socket)
        return found

    def __len__(self) -> int:
        """The rooms that have members, counted in each namespace."""
        return len(self._sockets)


class Rooms:
    """Who is connected to which namespace, and the rooms that they joined."""

    def __init__(self, members: RoomMembers, channels: RoomChannels) -> None:
        self._members = members
        self._channels = channels
        self._sockets: dict[str, EngineSocket] = {}
        self._joined: dict[str, set[str]] = {}

    def admit(self, sid: str, socket: EngineSocket) -> None:
        """A socket was authenticated in a namespace, as this connection."""
        self._sockets[sid] = socket
        self._joined[sid] = set()

    def is_connected(self, sid: str) -> bool:
        return sid in self._sockets

    def join(self, namespace: str, room: str, sid: str) -> None:
        """``sid`` is connected."""
        joined = self._joined[sid]
        if room in joined:
            return
        joined.add(room)
        self._members.add(namespace, room, sid, self._sockets[sid])
        self._channels.enter(room)

    def leave(self, namespace: str, room: str, sid: str) -> None:
        if self._members.remove(namespace, room, sid):
            self._joined[sid].discard(room)
            self._channels.leave(room)

    def remove(self, namespace: str, sid: str) -> None:
        """Forget a socket's part in a namespace."""
        for room in tuple(self._joined.get(sid, ())):
            self.leave(namespace, room, sid)
        self._joined.pop(sid, None)
        self._sockets.pop(sid, None)

    def joined(self, sid: str) -> Collection[str]:
        """The rooms of a connection."""
        return self._joined.get(sid, ())

    @property
    def connections(self) -> int:
        return len(self._joined)


class SlotWatches:
    """A room a trainer, joined by the connections of ``/bookings`` that watch the trainer's slots."""

    def __init__(self, rooms: Rooms, members: RoomMembers, channels: RoomChannels) -> None:
        self._rooms = rooms
        self._members = members
        self._channels = channels

    async def watch(self, connection: str, trainer_id: str, days: Days) -> Days | None:
        room = room_names.slots(trainer_id)
        joined = self._rooms.joined(connection)
        # One of them is the user's own.
        if room not in joined and len(joined) > MAX_WATCHED:
            raise DomainError(Code.CONFLICT, f"At most {MAX_WATCHED} trainers' slots are watched at a time.")
        before: tuple[Days, ...] = ()
        listening = self._channels.enter(room)
        try:
            if self._rooms.is_connected(connection):
                self._rooms.join(BOOKINGS, room, connection)
                before = self._members.days(room, connection)
                self._members.set_days(room, connection, tuple(dict.fromkeys((*before, days))))
            # Others may be waiting for the same.
            await asyncio.shield(listening)
        finally:
            self._channels.leave(room)
        return before[0] if before else None

    def only(self, connection: str, trainer_id: str, days: Days) -> None:
        if self._rooms.is_connected(connection):
            self._members.set_days(room_names.slots(trainer_id), connection, (days,))

    def unwatch(self, connection: str, trainer_id: str) -> None:
        if self._rooms.is_connected(connection):
            self._rooms.leave(BOOKINGS, room_names.slots(trainer_id), connection)
