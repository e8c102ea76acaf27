"""What presence tells of itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client.core import Metric

from server.observability.metrics import counter, gauge
from server.presence.audience import Connections
from server.presence.presence import Presence


def of_presence(presence: Presence, audience: Connections) -> Callable[[], Iterable[Metric]]:
    def figures() -> Iterable[Metric]:
        yield gauge("spotter_presence_users", "Users with a device here.", len(presence.devices.users))
        yield gauge("spotter_presence_watched", "Users watched from here.", presence.watches.users)
        yield gauge(
            "spotter_presence_waiting", "Users whose change Redis has not heard of.", presence.registrar.pending
        )
        yield counter("spotter_presence_told", "Changes written to a socket.", audience.told)
        taken_over = presence.taking_over.taken_over
        yield counter("spotter_presence_taken_over", "Users of dead nodes taken over by this one.", taken_over)

    return figures
