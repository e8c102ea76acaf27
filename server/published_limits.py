"""The limits of the sockets as they are published, out of the rows and numbers that enforce them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

from domain.wire.field_bounds import bounds_of
from domain.wire.limits import Bound, Bucket, EventLimits, SocketLimits
from server.presence.watches import MAX_WATCHED as WATCHED_PEOPLE
from server.sockets import admission, dispatcher, gateway
from server.sockets.dispatcher import SocketRow
from server.sockets.rooms import MAX_WATCHED as WATCHED_SCHEDULES
from server.sockets.rows import Rate, Row


def socket_limits(
    namespaces: Mapping[str, Sequence[Row]], own: Sequence[SocketRow], scale: float, counts: Sequence[Bound]
) -> SocketLimits:
    """``own``: what every namespace understands. ``counts`` are those that the node itself keeps."""
    rows: list[tuple[str, Row | SocketRow]] = []
    for namespace, ours in namespaces.items():
        rows += [(namespace, row) for row in own]
        rows += [(namespace, row) for row in ours]
    bounds = bounds_of([row.command for _, row in rows])
    return SocketLimits(
        events=tuple(
            EventLimits(namespace=namespace, event=row.event, rate=_bucket("user", row.rate, scale), fields=fields)
            for (namespace, row), fields in zip(rows, bounds, strict=True)
        ),
        rates={
            "commands": _bucket("network", dispatcher.OF_NETWORK, scale),
            "unknownEvents": _bucket("user", dispatcher.UNNAMED_RATE, scale),
            "connects": _bucket("network", admission.CONNECTS, scale),
            "failedTokens": _bucket("network", admission.FAILED_TOKENS, scale),
            "endedSessions": _bucket("session", admission.FAILED_SESSION, scale),
        },
        bounds=(*counts, *_BOUNDS),
    )


def _bucket(by: Literal["user", "network", "session"], rate: Rate, scale: float) -> Bucket:
    return Bucket(by=by, per_second=rate.per_second * scale, burst=max(1, math.floor(rate.burst * scale)))


_BOUNDS = (
    Bound(
        name="payload", most=gateway.MAX_PAYLOAD_BYTES, unit="bytes", description="one message, or one body of a poll"
    ),
    Bound(
        name="connectWithin",
        most=int(gateway.CONNECT_WITHIN_SECONDS),
        unit="seconds",
        description="a namespace is connected within",
    ),
    Bound(
        name="commandsAtWork",
        most=dispatcher.MAX_IN_FLIGHT,
        unit="items",
        description="commands of a socket at work; it is not read meanwhile",
    ),
    Bound(name="watchedPeople", most=WATCHED_PEOPLE, unit="items", description="people whose presence is watched"),
    Bound(name="watchedSchedules", most=WATCHED_SCHEDULES, unit="items", description="schedules that are watched"),
)
