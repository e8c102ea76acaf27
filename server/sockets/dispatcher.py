"""From an event to its handler and back: typed, limited, always acknowledged."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import structlog

from domain import wire
from domain.commands import Command
from domain.errors import Code, DomainError
from handlers.context import Context
from server.sockets import replies
from server.sockets.buckets import Buckets
from server.sockets.clients import Client, Connection
from server.sockets.rows import ORDINARY, Rate, Row

log = structlog.get_logger("sockets")

# More commands than this at work for one socket, and it is not read until some are done.
MAX_IN_FLIGHT = 256
RESUME_BELOW = 128
# All devices behind one address together, whatever they ask.
_ADDRESS = Rate(500, 2000)


@dataclass(frozen=True, slots=True)
class SocketRow:
    """An event about the connection itself, which every namespace understands."""

    event: str
    command: type[Command]
    handler: Callable[[Client, Any], Awaitable[object]]
    rate: Rate = ORDINARY


class Dispatcher:
    def __init__(
        self,
        context: Context,
        namespaces: Mapping[str, tuple[Row, ...]],
        own: tuple[SocketRow, ...],
        buckets: Buckets,
    ) -> None:
        self._context = context
        self._rows: dict[str, dict[str, Row | SocketRow]] = {
            namespace: {**{row.event: row for row in own}, **{row.event: row for row in rows}}
            for namespace, rows in namespaces.items()
        }
        self._buckets = buckets
        self._parts = msgspec.json.Decoder(list[msgspec.Raw])
        self._tasks: set[asyncio.Task[None]] = set()
        self.outcomes: Counter[tuple[str, str]] = Counter()

    def dispatch(self, client: Client, connection: Connection, ack_id: int | None, payload: str) -> None:
        """Start the command in ``payload``; its acknowledgement follows. Commands start in order of arrival."""
        event = "?"
        try:
            event, argument = self._split(payload)
            row = self._rows[connection.namespace].get(event)
            if row is None:
                event = "?"
                raise DomainError(Code.UNKNOWN_EVENT, "There is no such event in this namespace.")
            self._limit(client, connection, row)
            command = wire.decode(row.command, argument)
        except DomainError as error:
            self._count(event, error.code)
            if ack_id is not None:
                self._acknowledge(client, connection, ack_id, replies.failure(error))
            return
        client.in_flight += 1
        if client.in_flight == MAX_IN_FLIGHT:
            client.socket.pause()
        # It runs to its end whatever becomes of the socket: what was asked may already be half done.
        task = asyncio.get_running_loop().create_task(self._run(client, connection, row, command, ack_id))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _finished(self, client: Client) -> None:
        client.in_flight -= 1
        if client.in_flight == RESUME_BELOW and client.socket.paused:
            client.socket.resume()

    async def drain(self) -> None:
        """Return when no command is at work any more."""
        while self._tasks:
            await asyncio.wait(tuple(self._tasks))

    def _split(self, payload: str) -> tuple[str, msgspec.Raw]:
        try:
            parts = self._parts.decode(payload)
            event = msgspec.json.decode(parts[0], type=str) if parts else ""
        except (msgspec.MsgspecError, UnicodeError):
            raise DomainError(Code.MALFORMED, "Not an event: a JSON array that begins with its name.") from None
        except RecursionError:
            raise DomainError(Code.MALFORMED, "Not an event: nested too deeply.") from None
        if len(parts) != 2:
            raise DomainError(Code.MALFORMED, "A command takes exactly one object.")
        return event, parts[1]

    def _limit(self, client: Client, connection: Connection, row: Row | SocketRow) -> None:
        wait = self._buckets.take((connection.actor.user_id, row.event), row.rate) or self._buckets.take(
            client.socket.remote_address, _ADDRESS
        )
        if wait:
            raise DomainError(Code.RATE_LIMITED, "Too many requests; wait a little.", retry_after_ms=wait)

    async def _run(
        self, client: Client, connection: Connection, row: Row | SocketRow, command: object, ack_id: int | None
    ) -> None:
        try:
            if isinstance(row, Row):
                result = await row.handler(self._context, connection.actor, command)
            else:
                result = await row.handler(client, command)
            code, envelope = "ok", replies.success(result)
        except DomainError as error:
            code, envelope = error.code.value, replies.failure(error)
        except Exception:
            # The type and the place, never the command: it may be somebody's message.
            log.exception("command failed", event_name=row.event)
            code, envelope = Code.INTERNAL.value, replies.failure(INTERNAL)
        finally:
            self._finished(client)
        self._count(row.event, code)
        if ack_id is not None:
            self._acknowledge(client, connection, ack_id, envelope)

    def _count(self, event: str, code: str) -> None:
        self.outcomes[event, code] += 1

    @staticmethod
    def _acknowledge(client: Client, connection: Connection, ack_id: int, envelope: bytes) -> None:
        client.socket.send_text(replies.acknowledgement(connection.namespace, ack_id, envelope))


INTERNAL = DomainError(Code.INTERNAL, "Something went wrong on our side.")
