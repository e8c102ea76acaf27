"""Connecting a namespace with a token, renewing the token, and the end of one that was not renewed."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Protocol

import msgspec
import structlog

from domain import rooms as room_names
from domain.errors import Code, DomainError, rate_limited, unavailable
from domain.times import to_wire
from domain.wire import codec
from domain.wire.base import Command
from domain.wire.events import AuthExpired, AuthExpiring
from domain.wire.fields import Token
from handlers.access import Actor
from server.engineio import close_reasons
from server.observability.logging import safe_traceback
from server.protocol import packets
from server.protocol.packets import encode
from server.sockets.clients import Attempt, Client, NamespaceConnection, Registry
from server.sockets.rooms import RoomChannels, Rooms
from server.sockets.rows import Buckets, Rate
from store import command_budget
from store.command_budget import BUDGET_SECONDS, Budget

log = structlog.get_logger("sockets")

# Of the wire contract: the server asks for a new token one minute before the old one ends.
ASK_BEFORE = timedelta(minutes=1)
# Of one address, with tokens that we signed: each costs two look-ups.
CONNECTS = Rate(50, 1000)
# Of one address: tokens that nobody signed, namespaces that there are not. They keep nobody out whose token is good.
FAILED_TOKENS = Rate(10, 600)
# Of one session: signed, and good for nothing after two look-ups.
FAILED_SESSION = Rate(1, 60)
# Beyond its address's limit a socket that failed so often is refused without a look at its token.
_MOST_FAILURES = 8
# Of a connection's id, which nobody can guess; as many as python-engineio takes.
_SID_BYTES = 15


class Handshake(msgspec.Struct, frozen=True):
    """The ``auth`` of a CONNECT. Other fields are the client library's own business."""

    token: Token


class RenewToken(Command, frozen=True, kw_only=True):
    """``auth:refresh``, understood in every namespace."""

    token: Token


class Claims(Protocol):
    @property
    def user_id(self) -> str: ...
    @property
    def session_id(self) -> str: ...


class Attendance(Protocol):
    """Receives which devices come and go, for presence."""

    def admitted(self, client: Client, connection: NamespaceConnection) -> None: ...
    def left(self, client: Client, connection: NamespaceConnection) -> None: ...
    def gone(self, client: Client) -> None: ...


class Authenticator(Protocol):
    def claims(self, token: str) -> Claims: ...
    async def authenticate(self, claims: Any, address: str) -> tuple[Actor, datetime]: ...


class Admission:
    def __init__(
        self,
        authenticator: Authenticator,
        registry: Registry,
        rooms: Rooms,
        buckets: Buckets,
        clock: Callable[[], datetime],
        attendance: Attendance,
        channels: RoomChannels,
        prepared: Callable[[], bool],
    ) -> None:
        self._authenticator = authenticator
        self._registry = registry
        self._rooms = rooms
        self._buckets = buckets
        self._clock = clock
        self._attendance = attendance
        self._channels = channels
        self._prepared = prepared

    def refusal(self, client: Client) -> DomainError | None:
        """Why no namespace can be connected now: no database was found yet, or the socket fails without end."""
        if not self._prepared():
            return unavailable()
        if client.failures < _MOST_FAILURES:
            return None
        return _limited(self._buckets.wait_of("FAILED", client.socket.network, FAILED_TOKENS))

    def failed(self, client: Client, error: DomainError) -> DomainError:
        """Count what costs nobody a read against the address; what to answer."""
        client.failures += 1
        # Every client's token expires, and is shown for each namespace.
        if error.code is Code.TOKEN_EXPIRED and client.failures <= _MOST_FAILURES:
            return error
        return _limited(self._buckets.take_of("FAILED", client.socket.network, FAILED_TOKENS)) or error

    async def connect(self, client: Client, namespace: str, auth: str, attempt: Attempt) -> None:
        """Admit the client to the namespace, or answer why not and end what it was connected as before."""
        entered: list[str] = []
        budget = Budget()
        command_budget.begin(budget)
        loop = asyncio.get_running_loop()
        late = loop.call_later(BUDGET_SECONDS, self._end, client, namespace, attempt, unavailable())
        try:
            token = self._token(client, auth)
            actor, expires_at = await self._authenticated(client, token, entered)
        except DomainError as error:
            self._end(client, namespace, attempt, error)
        except Exception as error:
            log.error("connecting failed", namespace=namespace, **safe_traceback(error))
            self._end(client, namespace, attempt, DomainError(Code.INTERNAL, "Something went wrong on our side."))
        else:
            if self._end(client, namespace, attempt):
                self._admit(client, namespace, actor, expires_at)
        finally:
            budget.over = True
            late.cancel()
            for room in entered:
                self._channels.leave(room)
            self._registry.release(client)

    async def renew(self, client: Client, command: RenewToken) -> None:
        """A new token of the same user for every namespace of the socket."""
        try:
            actor, expires_at = await self._authenticated(client, command.token)
            if client.connections:
                for connection in client.connections.values():
                    connection.actor = replace(actor, submit_lock=client.submit_lock, connection=connection.sid)
                client.expires_at = None
                self._expire_at(client, expires_at)
        finally:
            self._registry.release(client)

    def _token(self, client: Client, auth: str) -> str:
        try:
            return codec.decode(Handshake, auth).token if auth else ""
        except DomainError as error:
            raise self.failed(client, error) from None

    async def _authenticated(
        self, client: Client, token: str, entered: list[str] | None = None
    ) -> tuple[Actor, datetime]:
        """The caller releases the client again, admitted or not, and leaves the rooms ``entered``.

        When this returns, whatever is published to the user from now on reaches this node.
        """
        if not token or client.socket.closed:
            raise self.failed(client, DomainError(Code.UNAUTHENTICATED, "A token is needed: auth {token}."))
        try:
            claims = self._authenticator.claims(token)
        except DomainError as error:
            raise self.failed(client, error) from None
        wait = self._buckets.wait(("FAILED", claims.session_id), FAILED_SESSION)
        wait = wait or self._buckets.take_of("CONNECT", client.socket.network, CONNECTS)
        if (limited := _limited(wait)) is not None:
            raise limited
        if client.user_id is not None and client.user_id != claims.user_id:
            raise DomainError(Code.FORBIDDEN, "This connection belongs to another user.")
        if not self._registry.add(client, claims.user_id):
            raise rate_limited("Too many connections of one user", 10_000)
        client.checking.append(claims.session_id)
        try:
            if entered is None:
                return await self._read(client, claims)
            entered.append(room_names.user(claims.user_id))
            # Before the account is read: a choice that is published in between would be missed. Shielded, as others
            # may be waiting for the same.
            await asyncio.shield(self._channels.enter(entered[0]))
            return await self._read(client, claims)
        finally:
            client.checking.remove(claims.session_id)

    async def _read(self, client: Client, claims: Claims) -> tuple[Actor, datetime]:
        try:
            return await self._authenticator.authenticate(claims, client.socket.remote_address)
        except DomainError as error:
            # A database that is away is nobody's fault.
            if error.code is not Code.UNAVAILABLE:
                self._buckets.take(("FAILED", claims.session_id), FAILED_SESSION)
            raise

    @staticmethod
    def _end(client: Client, namespace: str, attempt: Attempt, error: DomainError | None = None) -> bool:
        """Whether the client still waits for this attempt; if so, it is answered with an error."""
        if client.admitting.get(namespace) is not attempt:
            return False
        del client.admitting[namespace]
        if error is not None:
            attempt()
            code = Code.UNAUTHENTICATED if error.code in _SHAPELESS else error.code
            client.socket.send_text(packets.refused(namespace, error.message, code, error.retry_after_ms))
        return True

    def _admit(self, client: Client, namespace: str, actor: Actor, expires_at: datetime) -> None:
        sid = secrets.token_urlsafe(_SID_BYTES)
        actor = replace(actor, submit_lock=client.submit_lock, connection=sid)
        if (former := client.connections.pop(namespace, None)) is not None:
            self._attendance.left(client, former)
            self._rooms.remove(namespace, former.sid)
            if not client.connections:
                client.expires_at, client.renewal_requested = None, False
        connection = client.connections[namespace] = NamespaceConnection(namespace, sid, actor, former)
        client.socket.restrict(False)
        client.failures = 0
        self._attendance.admitted(client, connection)
        self._rooms.admit(sid, client.socket)
        self._rooms.join(namespace, room_names.user(actor.user_id), sid)
        client.socket.send_text(packets.connected(namespace, sid))
        if client.renewal_requested and client.expires_at is not None and client.expires_at <= expires_at:
            # The others were asked before this one was there.
            client.socket.send_text(encode(_expiring(client.expires_at), namespace))
        self._expire_at(client, expires_at)

    def _expire_at(self, client: Client, expires_at: datetime) -> None:
        """The earliest of the namespaces' tokens counts."""
        if client.socket.closed or (client.expires_at is not None and client.expires_at <= expires_at):
            return
        client.expires_at = expires_at
        client.renewal_requested = False
        client.stop_timer()
        self._after(client, expires_at - ASK_BEFORE, self._ask)

    def _ask(self, client: Client) -> None:
        assert client.expires_at is not None
        client.renewal_requested = True
        client.send_event(_expiring(client.expires_at))
        self._after(client, client.expires_at, self._expired)

    def _expired(self, client: Client) -> None:
        client.send_event(AuthExpired())
        client.socket.close(close_reasons.TOKEN_EXPIRED)

    def _after(self, client: Client, instant: datetime, then: Callable[[Client], None]) -> None:
        delay = max(0.0, (instant - self._clock()).total_seconds())
        client.timer = asyncio.get_running_loop().call_later(delay, then, client)


def _limited(wait: int) -> DomainError | None:
    return rate_limited("Too many connections", wait) if wait else None


def _expiring(at: datetime) -> AuthExpiring:
    return AuthExpiring(expires_at=to_wire(at))


# A handshake without a proper token is simply not authenticated, however it is malformed.
_SHAPELESS = frozenset({Code.VALIDATION_FAILED, Code.MALFORMED})
