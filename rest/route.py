"""A row of the REST surface, and what its adapter is given."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec
from aiohttp import web

from domain.wire.base import Command
from handlers.access import Actor
from handlers.context import Context
from rest.limits import GENERAL, Limiter, RateClass

PREFIX = "/v1"
# Methods whose fields travel in the body; the others' travel in the query.
BODY_METHODS = frozenset({"POST", "PUT", "PATCH"})

Handler = Callable[[Context, Any, Any], Awaitable[Any]]


class Authenticator(Protocol):
    """``claims`` looks at the signature alone; ``actor`` reads. Both raise what is wrong with the token."""

    def claims(self, token: str) -> Any: ...
    async def actor(self, claims: Any, address: str) -> Actor: ...


ClientAddress = Callable[[str | None, str | None], str]
HttpHandler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Services:
    """What the adapter is given by the root.

    ``client_address(remote, x_forwarded_for)`` knows which proxies are ours; ``mongo_unanswered_seconds()`` for how
    many seconds MongoDB has not answered, one or two while it does.
    """

    context: Context
    authenticator: Authenticator
    limiter: Limiter
    client_address: ClientAddress
    mongo_unanswered_seconds: Callable[[], float]


@dataclass(frozen=True, slots=True)
class Route:
    """``path`` lies under ``/v1``. The handler takes (context, Actor, command), a public one a Visitor.

    ``path_names`` maps a parameter of the path to the command's field where their names differ;
    without ``answer`` the success is an empty 204. ``needs_key``: the ``Idempotency-Key`` is required here. A public
    row with ``optional_auth`` shows more to some of those who send a token: its handler takes either.
    A ``bulky`` row reads much: its reads wait for each other, user by user, and not before those of the other rows.
    Where body or answer are not JSON, ``consumes`` and ``produces`` name their types and ``adapter`` stands in for
    the one of JSON. ``table`` answers those who would rather have ``text/csv``.
    """

    method: str
    path: str
    handler: Handler
    summary: str
    command: type[msgspec.Struct] | None = None
    answer: Any = None
    status: int = 200
    public: bool = False
    optional_auth: bool = False
    needs_key: bool = False
    rate: RateClass = GENERAL
    bulky: bool = False
    adapter: Callable[[Route, Services], HttpHandler] | None = None
    consumes: str | None = None
    produces: str | None = None
    table: Handler | None = None
    path_names: Mapping[str, str] = field(default_factory=dict)

    @property
    def full_path(self) -> str:
        return PREFIX + self.path

    @property
    def success(self) -> int:
        return 204 if self.answer is None else self.status

    @property
    def has_body(self) -> bool:
        return self.method in BODY_METHODS

    @property
    def takes_key(self) -> bool:
        """Whether an ``Idempotency-Key`` is heeded: of commands, and of uploads."""
        return self.consumes == "multipart/form-data" or (
            self.method != "GET" and self.command is not None and issubclass(self.command, Command)
        )
