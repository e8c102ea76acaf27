"""From an event to its handler and back: typed, limited, always acknowledged."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from time import monotonic
from typing import Any

import msgspec
import structlog

from domain.errors import Code, DomainError, rate_limited, unavailable
from domain.wire import codec, validation_errors
from domain.wire.base import Command
from handlers.context import Context
from server.engineio import close_reasons
from server.observability.logging import safe_traceback
from server.protocol import packets
from server.revocation.freshness import Freshness
from server.sockets.clients import Client, NamespaceConnection
from server.sockets.rows import ORDINARY, Buckets, Rate, Row
from store import command_budget
from store.command_budget import Budget

log = structlog.get_logger("sockets")

# More commands than this at work for one socket, and it is not read until some are done.
MAX_IN_FLIGHT = 256
RESUME_BELOW = 128
# All devices behind one address together, whatever they ask.
OF_NETWORK = Rate(500, 2000)
_ARITY = 'An event is its name and one object: ["name", {…}], {} where it takes nothing.'
_NAME_CHARACTERS = 64
# So many refused for coming too fast, and the socket is not read for a while: refusing costs something as well.
MAX_OVER_LIMIT = 64
FLOOD_PAUSE_SECONDS = 1.0
# How long what follows a refusal is refused as well if the client does not answer that it has received it.
FENCE_SECONDS = 10.0
# What it is to wait if there is room by then: the client's answer takes about so long.
_BEHIND_MS = 100
# The name of all that is no command, in limits and metrics: clients choose its name.
UNNAMED = "?"
UNNAMED_RATE = Rate(50, 500)


@dataclass(frozen=True, slots=True)
class SocketRow:
    """An event about the connection itself, which every namespace understands."""

    event: str
    command: type[Command]
    handler: Callable[[Client, Any], Awaitable[object]]
    rate: Rate = ORDINARY


@dataclass(slots=True, eq=False)
class _Command:
    """At work; once ``answered`` that it takes too long, its result goes nowhere."""

    client: Client
    connection: NamespaceConnection
    row: Row | SocketRow
    command: object
    ack_id: int | None
    budget: Budget
    answered: bool = False


# How late a command may be answered that its time is over.
_SWEEP_SECONDS = 0.25


class Dispatcher:
    def __init__(
        self,
        context: Context,
        namespaces: Mapping[str, tuple[Row, ...]],
        own: tuple[SocketRow, ...],
        buckets: Buckets,
        freshness: Freshness,
    ) -> None:
        self._context = context
        self._loop = asyncio.get_running_loop()
        self._freshness = freshness
        self._rows: dict[str, dict[str, Row | SocketRow]] = {
            namespace: {**{row.event: row for row in own}, **{row.event: row for row in rows}}
            for namespace, rows in namespaces.items()
        }
        self._buckets = buckets
        self._parts = msgspec.json.Decoder(list[msgspec.Raw])
        self._name = msgspec.json.Decoder(str)
        # In the order of their arrival.
        self._at_work: dict[_Command, asyncio.Task[None]] = {}
        self._sweeping: asyncio.TimerHandle | None = None
        self.outcomes: Counter[tuple[str, str]] = Counter()

    def dispatch(self, client: Client, connection: NamespaceConnection, ack_id: int | None, payload: str) -> None:
        """Start the command in ``payload``; its acknowledgement follows. Commands start in order of arrival."""
        try:
            event, argument = self._split(connection.namespace, payload)
            row = self._rows[connection.namespace].get(event)
            if row is None:
                raise self._unknown(connection.namespace, event)
        except DomainError as error:
            self.refuse(client, connection.namespace, ack_id, error)
            return
        try:
            self._limit_in_order(client, row)
            command = codec.decode(row.command, argument)
        except DomainError as error:
            self._answer_refused(client, connection.namespace, ack_id, row.event, error)
            if error.code is Code.RATE_LIMITED:
                self._fence(client, row.event)
            return
        client.in_flight += 1
        if client.in_flight == MAX_IN_FLIGHT:
            client.hold("busy")
        # It runs to its end whatever becomes of the socket: what was asked may already be half done.
        budget = Budget(connection.actor.user_id, client.socket.network)
        work = _Command(client, connection, row, command, ack_id, budget)
        self._at_work[work] = self._loop.create_task(self._run(work))
        if self._sweeping is None:
            self._sweeping = self._loop.call_later(_SWEEP_SECONDS, self._sweep)

    def refuse(self, client: Client, namespace: str, ack_id: int | None, error: DomainError) -> None:
        """Answer what is no command of the namespace; it counts against the limits all the same."""
        try:
            self._limit(client, UNNAMED, UNNAMED_RATE)
        except DomainError as limited:
            error = limited
        self._answer_refused(client, namespace, ack_id, UNNAMED, error)

    def _answer_refused(
        self, client: Client, namespace: str, ack_id: int | None, event: str, error: DomainError
    ) -> None:
        self._count(event, error.code)
        if error.code is Code.RATE_LIMITED:
            self._slow_down(client)
        if ack_id is not None:
            client.socket.send_text(packets.acknowledgement(namespace, ack_id, packets.failure(error)))

    def _slow_down(self, client: Client) -> None:
        client.over_limit += 1
        if client.over_limit == MAX_OVER_LIMIT:
            if not client.connections:
                # Nobody's: what was read already is not kept until it is forgiven.
                client.socket.close(close_reasons.FLOOD)
                return
            client.hold("flood")
            self._loop.call_later(FLOOD_PAUSE_SECONDS, self._resume, client)

    @staticmethod
    def _resume(client: Client) -> None:
        client.over_limit = 0
        client.release("flood")

    def _finished(self, client: Client) -> None:
        client.in_flight -= 1
        if client.in_flight == RESUME_BELOW:
            client.release("busy")

    async def drain(self) -> None:
        """Return when no command is at work any more."""
        # One that was cancelled before it began is never taken out.
        while tasks := [task for task in self._at_work.values() if not task.done()]:
            await asyncio.wait(tasks)

    def _split(self, namespace: str, payload: str) -> tuple[str, msgspec.Raw]:
        try:
            parts = self._parts.decode(payload)
            event = self._name.decode(parts[0]) if parts else ""
        except (msgspec.MsgspecError, UnicodeError) as error:
            raise self._no_event(namespace, payload, error) from None
        except RecursionError:
            raise DomainError(Code.MALFORMED, f"Not valid JSON: nested too deeply. {_ARITY}") from None
        if len(parts) != 2:
            raise _not_one_object(len(parts))
        return event, parts[1]

    def _no_event(self, namespace: str, payload: str, error: Exception) -> DomainError:
        """Half a character is told of its field; what is no JSON, where it is none."""
        try:
            parts = validation_errors.read(payload)
        except (ValueError, RecursionError):
            return DomainError(Code.MALFORMED, f"{validation_errors.not_json(error).message} {_ARITY}")
        name = parts[0] if parts else None
        if not isinstance(name, str) or validation_errors.has_half(name):
            return DomainError(Code.MALFORMED, f"Not an event: its name is no text of whole characters. {_ARITY}")
        row = self._rows[namespace].get(name)
        if row is None:
            return self._unknown(namespace, name)
        if len(parts) != 2:
            return _not_one_object(len(parts))
        return validation_errors.of_value(row.command, parts[1]) or validation_errors.not_json(error)

    def _unknown(self, namespace: str, event: str) -> DomainError:
        """Never the name itself, which the client chose; those that it may have meant."""
        elsewhere = [name for name, rows in self._rows.items() if event in rows]
        if elsewhere:
            words = f"{event} is an event of {elsewhere[0]}, not of {namespace}."
        else:
            alike = get_close_matches(event[:_NAME_CHARACTERS].strip().lower(), self._rows[namespace], n=3, cutoff=0.4)
            meant = f"; like it are {', '.join(alike)}" if alike else f"; it has {', '.join(self._begins(namespace))}"
            words = f"There is no such event in {namespace}{meant}."
        return DomainError(Code.UNKNOWN_EVENT, words)

    def _begins(self, namespace: str) -> list[str]:
        """``conversation:…``: all of them would be many words."""
        return sorted({name.partition(":")[0] + (":…" if ":" in name else "") for name in self._rows[namespace]})

    def _limit_in_order(self, client: Client, row: Row | SocketRow) -> None:
        """Once one was refused, so is what was already on its way behind it: it would otherwise pass before."""
        if client.fenced and self._is_fenced(client, row.event):
            network = client.socket.network
            who = client.user_id or network
            wait = self._buckets.wait((who, row.event), row.rate)
            wait = wait or self._buckets.wait_of("COMMANDS", network, OF_NETWORK)
            raise rate_limited("Too many requests", wait or _BEHIND_MS)
        self._limit(client, row.event, row.rate)

    def _limit(self, client: Client, event: str, rate: Rate) -> None:
        network = client.socket.network
        who = client.user_id or network
        wait = self._buckets.take((who, event), rate) or self._buckets.take_of("COMMANDS", network, OF_NETWORK)
        if wait:
            raise rate_limited("Too many requests", wait)

    @staticmethod
    def _is_fenced(client: Client, event: str) -> bool:
        until = client.fenced.get(event)
        if until is not None and monotonic() >= until:
            del client.fenced[event]
            return False
        return until is not None

    @staticmethod
    def _fence(client: Client, event: str) -> None:
        """After the refusal: what arrives before the client's answer was sent without knowing of it."""
        if event in client.fenced:
            return
        until = client.fenced[event] = monotonic() + FENCE_SECONDS

        def passed() -> None:
            if client.fenced.get(event) == until:
                del client.fenced[event]

        client.socket.fence(passed)

    async def _run(self, work: _Command) -> None:
        client, connection, row, command = work.client, work.connection, work.row, work.command
        command_budget.begin(work.budget)
        try:
            if monotonic() >= self._freshness.expires_at:
                await self._freshness.wait()
            if isinstance(row, SocketRow):
                result = await row.handler(client, command)
            elif row.bulky:
                result = await self._read(client, connection, row, command)
            else:
                result = await row.handler(self._context, connection.actor, command)
            if monotonic() >= self._freshness.expires_at:
                # It may hold what others wrote.
                await self._freshness.wait()
            code, envelope = "ok", packets.success(result)
        except DomainError as error:
            code, envelope = error.code.value, packets.failure(validation_errors.of_command(command, error))
        except Exception as error:
            # Never the command, nor the error's words: either may be somebody's message.
            log.error("command failed", event_name=row.event, **safe_traceback(error))
            code, envelope = Code.INTERNAL.value, packets.failure(INTERNAL)
        finally:
            work.budget.end()
            del self._at_work[work]
        if not work.answered:
            self._answer(work, code, envelope)

    def _sweep(self) -> None:
        """Answer those whose time is over. They go on to their end, for they may be half done; what they wait for ends
        soon after."""
        self._sweeping = None
        if self._at_work:
            self._sweeping = self._loop.call_later(_SWEEP_SECONDS, self._sweep)
        for work in tuple(self._at_work):
            if work.budget.remaining() > 0:
                # They are in the order of their arrival, and all have the same time.
                break
            if not work.answered:
                work.answered = True
                error = unavailable()
                self._answer(work, error.code.value, packets.failure(error))

    def _answer(self, work: _Command, code: str, envelope: bytes) -> None:
        client, connection = work.client, work.connection
        self._finished(client)
        self._count(work.row.event, code)
        now = client.connections.get(connection.namespace)
        if work.ack_id is not None and now is not None and now.numbering is connection.numbering:
            client.socket.send_text(packets.acknowledgement(connection.namespace, work.ack_id, envelope))

    async def _read(self, client: Client, connection: NamespaceConnection, row: Row, command: object) -> object:
        """One after the other: a peer that does not read is found out before all that it asked for lies in memory."""
        budget = command_budget.current()
        if budget is not None:
            budget.bulk, budget.abandoned = True, lambda: client.socket.closed
        async with client.reading:
            command_budget.require_time()
            # Whoever has gone meanwhile waits for no answer.
            return None if client.socket.closed else await row.handler(self._context, connection.actor, command)

    def _count(self, event: str, code: str) -> None:
        self.outcomes[event, code] += 1


def _not_one_object(parts: int) -> DomainError:
    given = "nothing" if parts < 2 else f"{parts - 1} values"
    return DomainError(Code.MALFORMED, f"{_ARITY} This one has {given} after its name.")


INTERNAL = DomainError(Code.INTERNAL, "Something went wrong on our side.")
