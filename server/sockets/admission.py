"""Connecting a namespace with a token, renewing the token, and the end of one that was not renewed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol

import msgspec

from domain import rooms as room_names
from domain import wire
from domain.commands import Command
from domain.errors import Code, DomainError
from domain.events import AuthExpiring, SessionRevoked
from domain.fields import Token
from domain.instants import to_wire
from handlers.actor import Actor
from server.sockets import replies
from server.sockets.clients import Client, Connection
from server.sockets.registry import Registry
from server.sockets.rooms import Rooms

# CONTRACT.md: the server asks for a new token one minute before the old one ends.
ASK_BEFORE = timedelta(minutes=1)


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


class Authenticator(Protocol):
    def claims(self, token: str) -> Claims: ...
    async def authenticate(self, token: str, address: str) -> tuple[Actor, datetime]: ...


class Admission:
    def __init__(
        self,
        authenticator: Authenticator,
        registry: Registry,
        rooms: Rooms,
        clock: Callable[[], datetime],
        new_sid: Callable[[], str],
    ) -> None:
        self._authenticator = authenticator
        self._registry = registry
        self._rooms = rooms
        self._clock = clock
        self._new_sid = new_sid

    async def connect(self, client: Client, namespace: str, auth: str) -> None:
        """Admit the client to the namespace, or tell it why not."""
        try:
            token = wire.decode(Handshake, auth).token if auth else ""
            actor, expires_at = await self._authenticated(client, token)
        except DomainError as error:
            code = Code.UNAUTHENTICATED if error.code in _SHAPELESS else error.code
            client.socket.send_text(replies.refused(namespace, error.message, code))
            return
        finally:
            client.admitting.discard(namespace)
        if not client.socket.closed:
            self._admit(client, namespace, actor, expires_at)

    async def renew(self, client: Client, command: RenewToken) -> None:
        """A new token of the same user for every namespace of the socket."""
        actor, expires_at = await self._authenticated(client, command.token)
        for connection in client.connections.values():
            connection.actor = replace(actor, turn=client.turn)
        client.expires_at = None
        self._expire_at(client, expires_at)

    async def _authenticated(self, client: Client, token: str) -> tuple[Actor, datetime]:
        if not token:
            raise DomainError(Code.UNAUTHENTICATED, "A token is needed: auth {token}.")
        claims = self._authenticator.claims(token)
        if client.user_id is not None and client.user_id != claims.user_id:
            raise DomainError(Code.FORBIDDEN, "This connection belongs to another user.")
        if not self._registry.add(client, claims.user_id, claims.session_id):
            raise DomainError(Code.RATE_LIMITED, "Too many connections of one user.", retry_after_ms=10_000)
        return await self._authenticator.authenticate(token, client.socket.remote_address)

    def _admit(self, client: Client, namespace: str, actor: Actor, expires_at: datetime) -> None:
        sid = self._new_sid()
        client.connections[namespace] = Connection(namespace, sid, replace(actor, turn=client.turn))
        self._rooms.admit(namespace, sid, client.socket)
        self._rooms.join(namespace, room_names.user(actor.user_id), sid, client.socket)
        client.socket.send_text(replies.connected(namespace, sid))
        self._expire_at(client, expires_at)

    def _expire_at(self, client: Client, expires_at: datetime) -> None:
        """The earliest of the namespaces' tokens counts."""
        if client.expires_at is not None and client.expires_at <= expires_at:
            return
        client.expires_at = expires_at
        client.stop_timer()
        self._after(client, expires_at - ASK_BEFORE, self._ask)

    def _ask(self, client: Client) -> None:
        assert client.expires_at is not None
        client.tell(AuthExpiring(expires_at=to_wire(client.expires_at)))
        self._after(client, client.expires_at, self._expired)

    def _expired(self, client: Client) -> None:
        client.tell(SessionRevoked(reason="expired"))
        client.socket.close()

    def _after(self, client: Client, instant: datetime, then: Callable[[Client], None]) -> None:
        delay = max(0.0, (instant - self._clock()).total_seconds())
        client.timer = asyncio.get_running_loop().call_later(delay, then, client)


# A handshake without a proper token is simply not authenticated, however it is malformed.
_SHAPELESS = frozenset({Code.VALIDATION_FAILED, Code.MALFORMED})
