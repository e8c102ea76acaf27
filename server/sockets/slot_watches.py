"""Who watches whose slots: a room a trainer, joined by connections of ``/bookings``."""

from __future__ import annotations

import asyncio
from typing import Protocol

from domain import rooms as room_names
from domain.errors import Code, DomainError
from domain.events import BOOKINGS
from server.sockets.rooms import Rooms

# A person looks at a few trainers; what is joined costs a channel.
MAX_WATCHED = 50


class Channels(Protocol):
    def enter(self, room: str) -> asyncio.Future[bool]: ...
    def leave(self, room: str) -> None: ...


class SlotWatches:
    def __init__(self, rooms: Rooms, channels: Channels) -> None:
        self._rooms = rooms
        self._channels = channels

    def watches(self, connection: str, trainer_id: str) -> bool:
        return room_names.slots(trainer_id) in self._rooms.get_rooms(connection, BOOKINGS)

    async def watch(self, connection: str, trainer_id: str) -> None:
        room = room_names.slots(trainer_id)
        joined = self._rooms.get_rooms(connection, BOOKINGS)
        # One of them is the user's own.
        if room not in joined and len(joined) > MAX_WATCHED:
            raise DomainError(Code.CONFLICT, f"At most {MAX_WATCHED} trainers' slots are watched at a time.")
        listening = self._channels.enter(room)
        try:
            if self._rooms.is_connected(connection, BOOKINGS):
                self._rooms.basic_enter_room(connection, BOOKINGS, room)
            # Others may be waiting for the same.
            await asyncio.shield(listening)
        finally:
            self._channels.leave(room)

    def unwatch(self, connection: str, trainer_id: str) -> None:
        if self._rooms.is_connected(connection, BOOKINGS):
            self._rooms.leave(BOOKINGS, room_names.slots(trainer_id), connection)
