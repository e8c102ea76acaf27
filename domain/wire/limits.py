"""What ``GET /v1/limits`` answers: every rate, size and count that holds on this deployment."""

from __future__ import annotations

from typing import Literal

import msgspec

from domain.wire.base import Answer

Unit = Literal["bytes", "characters", "pixels", "seconds", "days", "items"]


class Window(Answer, frozen=True, kw_only=True):
    """At most ``quota`` requests in any ``windowInSeconds``; ``policy`` is its name in the ``RateLimit`` headers.

    ``by`` is what is counted: the user (or a visitor's network), the network, or the network together with the
    address of mail that the request names. An IPv6 network is a /64; those of a /48 have eight times as much together.
    """

    policy: str
    by: Literal["user", "network", "network and e-mail address", "session"]
    quota: int
    window_in_seconds: int


class Bucket(Answer, frozen=True, kw_only=True):
    """``burst`` at once, and ``perSecond`` in the long run."""

    by: Literal["user", "network", "session"]
    per_second: float
    burst: int


class FieldBounds(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """In the words of JSON Schema."""

    min_length: int | None = None
    max_length: int | None = None
    min_items: int | None = None
    max_items: int | None = None
    min_properties: int | None = None
    max_properties: int | None = None
    minimum: float | None = None
    maximum: float | None = None


class RouteLimits(Answer, frozen=True, kw_only=True):
    """``policies`` by name; ``fields`` by path, ``[]`` being the items of a list."""

    method: str
    path: str
    policies: tuple[str, ...]
    fields: dict[str, FieldBounds]


class EventLimits(Answer, frozen=True, kw_only=True):
    namespace: str
    event: str
    rate: Bucket
    fields: dict[str, FieldBounds]


class Bound(Answer, frozen=True, kw_only=True):
    """A size or a count that no field shows."""

    name: str
    most: int
    unit: Unit
    description: str


class SocketLimits(Answer, frozen=True, kw_only=True):
    """``rates`` are those of all events of a network together, of connecting, and of what goes wrong."""

    events: tuple[EventLimits, ...] = ()
    rates: dict[str, Bucket] = msgspec.field(default_factory=dict)
    bounds: tuple[Bound, ...] = ()


class Limits(Answer, frozen=True, kw_only=True):
    """``everywhere``: policies that hold for every route besides its own. ``events`` are those of the sockets."""

    windows: tuple[Window, ...]
    everywhere: tuple[str, ...]
    routes: tuple[RouteLimits, ...]
    sockets: SocketLimits
    bounds: tuple[Bound, ...]
