"""The Prometheus metrics of a node, read from the plain counters that its parts keep. Durable work, membership and
workers export their own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from prometheus_client.core import CounterMetricFamily, Metric

from server.fanout.delivery import Delivery
from server.fanout.publisher import ClusterPublisher
from server.fanout.subscriptions import RoomSubscriptions
from server.http.connections import HttpConnections
from server.observability.metrics import counter, gauge
from server.payments.stripe_client import StripePayments
from server.presence.connections import WatchingConnections
from server.presence.presence import Presence
from server.pubsub.bus import Bus
from server.sockets.clients import Registry
from server.sockets.dispatcher import Dispatcher
from server.sockets.gateway import Gateway
from store.log.log import Log
from store.payment_differences import PaymentDifferences


def of_process() -> Iterable[Metric]:
    """A number that grows for ever is a leak."""
    yield gauge("spotter_tasks", "Tasks of the event loop.", len(asyncio.all_tasks()))
    yield gauge("spotter_descriptors", "Open file descriptors.", _descriptors())


def _descriptors() -> int:
    try:
        return sum(1 for _ in Path("/proc/self/fd").iterdir())
    except OSError:
        return 0


def of_log(log: Log) -> Callable[[], Iterable[Metric]]:
    def metrics() -> Iterable[Metric]:
        counters, waiting = log.appender.counters, log.appender.waiting
        yield counter("spotter_log_entries", "Entries appended by this node.", counters.appended)
        yield counter("spotter_log_batches", "Writes they were appended with.", counters.batches)
        yield counter("spotter_log_repeats", "Sends that were repeats of an earlier one.", counters.repeats)
        yield counter("spotter_log_lost_races", "Appends another node was faster with.", counters.lost_races)
        yield counter("spotter_log_unknown_outcomes", "Appends to be looked up.", counters.unknown_outcomes)
        yield gauge("spotter_log_waiting", "Entries waiting to be committed.", waiting)

    return metrics


def of_payments(payments: StripePayments, differences: PaymentDifferences) -> Callable[[], Iterable[Metric]]:
    def metrics() -> Iterable[Metric]:
        yield counter("spotter_stripe_calls", "Calls to Stripe.", payments.calls.made)
        yield counter("spotter_stripe_failures", "Calls to Stripe that failed or were refused.", payments.calls.failed)
        text = "Payments of which Stripe and we hold something else."
        yield counter("spotter_payment_differences", text, differences.found)

    return metrics


def of_sockets(
    gateway: Gateway, dispatcher: Dispatcher, registry: Registry
) -> Callable[[], Iterable[Metric]]:
    def metrics() -> Iterable[Metric]:
        engine = gateway.eio.counters
        yield gauge("spotter_sockets", "Open sockets.", len(gateway.eio.sockets))
        yield gauge("spotter_connections", "Namespaces connected.", gateway.rooms_index.connections)
        yield gauge("spotter_users", "Users with a socket here.", registry.users)
        yield counter("spotter_handshakes", "Sockets opened.", engine.handshakes)
        yield counter("spotter_engine_requests_refused", "Engine.IO requests that were refused.", engine.refused)
        yield counter("spotter_upgrades", "Sockets that moved to a WebSocket.", engine.upgrades)
        yield counter("spotter_upgrades_failed", "Sockets that tried, and still poll.", engine.failed_upgrades)
        failed = engine.failed_handlers
        yield counter("spotter_sockets_failed", "Sockets closed for a fault of ours, which the log has.", failed)
        bad = engine.bad_packets + gateway.bad_packets
        yield counter("spotter_bad_packets", "Packets that closed their socket.", bad)
        yield counter("spotter_slow_readers", "Sockets cut because they did not read.", engine.aborted_slow)
        state = gateway.eio.transport_state
        held = state.connected.unfinished.total + state.unconnected.unfinished.total
        yield gauge("spotter_unfinished_bytes", "Bytes of messages and POST bodies that are not whole yet.", held)
        cut = engine.aborted_unfinished
        yield counter("spotter_unfinished_cut", "Sockets cut because unfinished messages held too much.", cut)
        yield counter("spotter_received_messages", "Engine.IO messages received.", engine.messages_in)
        yield counter("spotter_sent_messages", "Engine.IO messages sent.", engine.messages_out)
        yield counter("spotter_received_bytes", "Payload bytes received on sockets.", engine.bytes_in)
        yield counter("spotter_sent_bytes", "Payload bytes sent on sockets.", engine.bytes_out)
        yield _by_label("spotter_closes", "Sockets closed.", ("reason",), {(k,): v for k, v in engine.closes.items()})
        yield _by_label("spotter_commands", "Commands acknowledged.", ("event", "code"), dispatcher.outcomes)

    return metrics


def of_http(connections: HttpConnections) -> Callable[[], Iterable[Metric]]:
    def metrics() -> Iterable[Metric]:
        counters = connections.counters
        yield gauge("spotter_http_connections", "Open HTTP connections, without WebSockets.", len(connections))
        yield counter("spotter_http_refused", "HTTP connections beyond what one address may have.", counters.refused)
        yield counter("spotter_http_too_slow", "HTTP connections whose request took too long.", counters.too_slow)
        yield counter("spotter_http_unread", "HTTP connections cut because they did not read.", counters.unread)

    return metrics


def of_fanout(
    bus: Bus, room_subscriptions: RoomSubscriptions, publisher: ClusterPublisher, delivery: Delivery
) -> Callable[[], Iterable[Metric]]:
    def metrics() -> Iterable[Metric]:
        published, delivered = bus.counters, delivery.counters
        yield counter("spotter_events_published", "Live events published.", publisher.published)
        yield counter("spotter_events_delivered", "Live events written to a socket.", delivered.delivered)
        yield gauge("spotter_redis_up", "Whether Redis carries live events between nodes.", bus.up)
        yield gauge("spotter_redis_channels", "Channels listened to.", bus.channels)
        yield gauge("spotter_rooms", "Rooms with members here.", room_subscriptions.count)
        yield counter("spotter_redis_publishes", "Messages handed to Redis.", published.publishes)
        yield counter("spotter_redis_failures", "Messages that Redis may not have taken.", published.failures)
        yield counter("spotter_redis_reconnects", "Connections to Redis made again.", published.reconnects)
        yield counter("spotter_redis_garbage", "Messages from Redis that no node sends.", delivered.garbage)
        yield counter("spotter_republished", "Conversations whose head was published again.", publisher.republished)
        yield counter("spotter_entries_held", "Entries that came before their predecessors.", delivered.held)
        yield counter("spotter_entries_fetched", "Entries that did not come by themselves.", delivered.gap_fills)
        yield counter("spotter_resyncs", "Sockets sent sync:required.", delivered.resyncs)

    return metrics


def _by_label(
    name: str, help_text: str, labels: tuple[str, ...], values: Mapping[Any, int]
) -> CounterMetricFamily:
    family = CounterMetricFamily(name, help_text, labels=labels)
    for key, value in values.items():
        family.add_metric(list(key), value)
    return family


def of_presence(presence: Presence, audience: WatchingConnections) -> Callable[[], Iterable[Metric]]:
    def metrics() -> Iterable[Metric]:
        yield gauge("spotter_presence_users", "Users with a device here.", len(presence.devices.users))
        yield gauge("spotter_presence_watched", "Users watched from here.", presence.watches.users)
        yield gauge(
            "spotter_presence_waiting", "Users whose change has not reached Redis.", len(presence.registrar.pending)
        )
        yield counter("spotter_presence_sent", "Changes written to a socket.", audience.sent)
        taken_over = presence.reaper.taken_over
        yield counter("spotter_presence_taken_over", "Users of dead nodes taken over by this one.", taken_over)

    return metrics
