"""A row of the REST surface."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from handlers.context import Context
from rest.limits import GENERAL, RateClass

PREFIX = "/v1"
if TYPE_CHECKING:
    from rest.adapter import HttpHandler, Services

    Adapter = Callable[["Route", Services], HttpHandler]

# Methods whose fields travel in the body; the others' travel in the query.
BODY_METHODS = frozenset({"POST", "PUT", "PATCH"})

Handler = Callable[[Context, Any, Any], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Route:
    """``path`` lies under ``/v1``. The handler takes (context, Actor, command), a public one a Visitor.

    ``path_names`` maps a parameter of the path to the command's field where their names differ;
    without ``answer`` the success is an empty 204. ``needs_key``: the ``Idempotency-Key`` is required here. A public
    row that ``knows_callers`` shows more to some of those who send a token: its handler takes either.
    Where body or answer are not JSON, ``consumes`` and ``produces`` name their types and ``adapter`` stands in for
    the one of JSON.
    """

    method: str
    path: str
    handler: Handler
    summary: str
    command: type[msgspec.Struct] | None = None
    answer: Any = None
    status: int = 200
    public: bool = False
    knows_callers: bool = False
    needs_key: bool = False
    rate: RateClass = GENERAL
    adapter: Adapter | None = None
    consumes: str | None = None
    produces: str | None = None
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
