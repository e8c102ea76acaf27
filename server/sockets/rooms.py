"""The rooms of this node: python-socketio's client manager, indexed so that leaving costs what was joined."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator
from typing import Any, Protocol

from socketio import AsyncManager

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

    def by_connection(self, namespace: str, room: str) -> Collection[tuple[str, EngineSocket]]:
        return tuple(self._sockets.get((namespace, room), _NOBODY).items())

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


class Rooms(AsyncManager):  # type: ignore[misc]
    """Answers python-socketio's questions from indexes instead of a scan over every room."""

    def __init__(self, members: RoomMembers, channels: RoomChannels) -> None:
        super().__init__()
        self._members = members
        self._channels = channels
        self._joined: dict[str, set[str]] = {}
        self._by_engine: dict[str, dict[str, str]] = {}
        self._engine_of: dict[str, str] = {}

    # --- ours ---

    def admit(self, namespace: str, sid: str, socket: EngineSocket) -> None:
        """A socket was authenticated in a namespace."""
        self._by_engine.setdefault(namespace, {})[socket.sid] = sid
        self._engine_of[sid] = socket.sid
        self._joined[sid] = set()

    def join(self, namespace: str, room: str, sid: str, socket: EngineSocket) -> None:
        joined = self._joined[sid]
        if room in joined:
            return
        joined.add(room)
        self._members.add(namespace, room, sid, socket)
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
        engine_sid = self._engine_of.pop(sid, None)
        if engine_sid is not None:
            self._by_engine.get(namespace, {}).pop(engine_sid, None)

    @property
    def connections(self) -> int:
        return len(self._joined)

    # --- what python-socketio asks ---

    def get_namespaces(self) -> list[str]:
        return list(self._by_engine)

    def get_participants(self, namespace: str, room: Any) -> Iterator[tuple[str, str]]:
        names = [room] if isinstance(room, str) else list(room or ())
        for name in names:
            for sid, socket in self._members.by_connection(namespace, name):
                yield sid, socket.sid

    def is_connected(self, sid: str, namespace: str) -> bool:
        return self._engine_of.get(sid) in self._by_engine.get(namespace, {})

    def sid_from_eio_sid(self, eio_sid: str, namespace: str) -> str | None:
        return self._by_engine.get(namespace, {}).get(eio_sid)

    def eio_sid_from_sid(self, sid: str, namespace: str) -> str | None:
        return self._engine_of.get(sid)

    def basic_enter_room(self, sid: str, namespace: str, room: str, eio_sid: str | None = None) -> None:
        socket = self.server.eio.sockets.get(eio_sid or self._engine_of.get(sid))
        if socket is None or sid not in self._joined:
            raise ValueError("sid is not connected to requested namespace")
        self.join(namespace, room, sid, socket)

    def basic_leave_room(self, sid: str, namespace: str, room: str) -> None:
        self.leave(namespace, room, sid)

    def basic_disconnect(self, sid: str, namespace: str, **kwargs: Any) -> None:
        self.remove(namespace, sid)
        self.callbacks.pop(sid, None)

    def basic_close_room(self, room: str, namespace: str) -> None:
        for sid, _ in self._members.by_connection(namespace, room):
            self.leave(namespace, room, sid)

    def get_rooms(self, sid: str, namespace: str) -> list[str]:
        return sorted(self._joined.get(sid, ()))


class SlotWatches:
    """A room a trainer, joined by the connections of ``/bookings`` that watch the trainer's slots."""

    def __init__(self, rooms: Rooms, members: RoomMembers, channels: RoomChannels) -> None:
        self._rooms = rooms
        self._members = members
        self._channels = channels

    async def watch(self, connection: str, trainer_id: str, days: Days) -> Days | None:
        room = room_names.slots(trainer_id)
        joined = self._rooms.get_rooms(connection, BOOKINGS)
        # One of them is the user's own.
        if room not in joined and len(joined) > MAX_WATCHED:
            raise DomainError(Code.CONFLICT, f"At most {MAX_WATCHED} trainers' slots are watched at a time.")
        before: tuple[Days, ...] = ()
        listening = self._channels.enter(room)
        try:
            if self._rooms.is_connected(connection, BOOKINGS):
                self._rooms.basic_enter_room(connection, BOOKINGS, room)
                before = self._members.days(room, connection)
                self._members.set_days(room, connection, tuple(dict.fromkeys((*before, days))))
            # Others may be waiting for the same.
            await asyncio.shield(listening)
        finally:
            self._channels.leave(room)
        return before[0] if before else None

    def only(self, connection: str, trainer_id: str, days: Days) -> None:
        if self._rooms.is_connected(connection, BOOKINGS):
            self._members.set_days(room_names.slots(trainer_id), connection, (days,))

    def unwatch(self, connection: str, trainer_id: str) -> None:
        if self._rooms.is_connected(connection, BOOKINGS):
            self._rooms.leave(BOOKINGS, room_names.slots(trainer_id), connection)
