"""The composition root: every part of a node is made and wired here, once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from functools import partial

import structlog
from aiohttp import web

from domain import rooms as room_names
from domain.wire.events import NAMESPACES as NAMESPACE_NAMES
from domain.wire.events import PRESENCE
from domain.wire.limits import Bound, Limits
from handlers.accounts.me import mails_wanted
from handlers.context import Context, PushDelays, Reader
from rest.build import attach as attach_rest
from rest.build import generated
from rest.published_limits import published
from rest.route import Services
from rest.routes import ROWS
from server import asyncapi, draining, node_metrics
from server.background import Background
from server.cluster.jobs import durable_jobs
from server.cluster.membership import ClusterMembership
from server.cluster.recovery import ASK_SECONDS, LOOK_SECONDS, PublishOutageRecorder, UnpublishedRecovery
from server.cluster.runner import Runner
from server.fanout.delivery import Delivery
from server.fanout.gaps import GapFiller
from server.fanout.publisher import ROTATE_SECONDS, ClusterPublisher
from server.fanout.slot_notifier import SlotNotifier
from server.fanout.subscriptions import RoomSubscriptions
from server.files.image_processes import PictureMaker
from server.http.addresses import client_address
from server.http.connections import HttpConnections
from server.http.server import Listener
from server.mail.smtp import MailTimings, PrintedMailer, SmtpMailer
from server.observability.metrics import Metrics
from server.operations import Operations, RedisHealth, operations_app
from server.payments.stripe_client import StripePayments, stripe_settings
from server.preparation import LISTEN_AFTER_SECONDS, prepare_when_it_answers, refusing_until
from server.presence.blocked import LOOK_SECONDS as BLOCKS_LOOK_SECONDS
from server.presence.blocked import BlockedWatches
from server.presence.connections import Attendance, WatchingConnections
from server.presence.presence import Choices, Presence
from server.published_limits import socket_limits
from server.pubsub.bus import Bus
from server.push.services import PushServices
from server.rates import MovingWindowLimiter
from server.revocation.freshness import Freshness
from server.revocation.watch import Cutter, RevocationWatch
from server.security.passwords import STANDARD, Argon2Passwords, Cost
from server.security.secrets import ServerSecrets, SignedUrls
from server.security.tokens import AccessTokens, Authenticator
from server.settings import Settings
from server.sockets.admission import Admission, RenewToken
from server.sockets.clients import Registry
from server.sockets.dispatcher import Dispatcher, SocketRow
from server.sockets.gateway import Gateway
from server.sockets.namespaces import NAMESPACES
from server.sockets.rooms import RoomMembers, Rooms, SlotWatches
from server.sockets.rows import Buckets
from server.sockets.typing import TypingIndicators
from server.webhooks.client import WebhookClient
from server.workers.metrics import merged, of_peers
from server.workers.peers import IpcSockets, WorkerPeers
from store.concurrency import cancelled
from store.database import Database
from store.retention import Retention
from store.store import Store
from store.undelivered import ScanName

log = structlog.get_logger("node")

SOCKETS_PER_USER = 20
SOCKETS_PER_ADDRESS = 200
# Besides WebSockets; a socket that polls takes two.
CONNECTIONS_PER_ADDRESS = 600
# Of one network to the operators' port.
_OPERATORS_CONNECTIONS = 64
FORGET_SECONDS = 3600.0
DROP_MAILS_SECONDS = 10.0
BODY_LIMIT_BYTES = 1_000_000


def utc_now() -> datetime:
    return datetime.now(UTC)


def _return_url(settings: Settings) -> str:
    """The app's own origin, or in development this server's page."""
    named = [origin for origin in settings.allowed_origins if "://" in origin]
    return f"{named[0] if named else settings.public.url()}/"


class Node:
    """One process of the service. Make it inside the running loop, then ``start``, then ``stop``."""

    def __init__(
        self,
        settings: Settings,
        mongo_url: str,
        redis_url: str,
        *,
        clock: Callable[[], datetime] = utc_now,
        password_cost: Cost = STANDARD,
        ipc: IpcSockets | None = None,
    ) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.peers = WorkerPeers(ipc, self.metrics.render, self._readiness) if ipc is not None else None
        self.draining = False
        # Until then nothing is served that needs the database.
        self.prepared = False
        self.preparation: asyncio.Task[None] | None = None
        self.database = Database(mongo_url)
        self.store = Store(self.database)
        self.retention = Retention(self.database, settings.kept_days)
        self.bus = Bus(redis_url)
        self.redis = RedisHealth(self.bus)
        self.passwords = Argon2Passwords(password_cost)
        self.mailer: PrintedMailer | SmtpMailer = (
            SmtpMailer(
                settings.smtp_url,
                settings.mail_from,
                MailTimings(drain=draining.MAILS_SECONDS),
                settings.public_url,
                partial(mails_wanted, self.store),
            )
            if settings.smtp_url
            else PrintedMailer()
        )
        self.pusher = PushServices(settings.push, clock)
        self.webhooks = WebhookClient(allows_private=settings.webhooks_allow_private)
        self.tokens = AccessTokens(settings.jwt_secret)
        self.authenticator = Authenticator(self.store.users, self.store.sessions, self.tokens, clock)
        self.secrets = ServerSecrets(settings.jwt_secret)
        self._files = SignedUrls(self.secrets, clock)
        ready = settings.production or settings.stripe_secret_key is not None
        self.payments = StripePayments(stripe_settings(settings), ready=ready)
        self.pictures = PictureMaker(scale=settings.rate_limit_scale)
        self.limiter = MovingWindowLimiter(settings.rate_limit_scale)
        self._limits: Limits | None = None
        self._make_fanout(clock)
        self._make_cluster(clock)
        self._sockets_per_user = max(1, int(SOCKETS_PER_USER * settings.rate_limit_scale))
        self._sockets_per_address = max(1, int(SOCKETS_PER_ADDRESS * settings.rate_limit_scale))
        self.registry = Registry(self._sockets_per_user, gone=self.typing.leave)
        self.context = self._make_context(clock)
        self.durable_work = Runner(durable_jobs(self.context), clock, self.context.wake_ups)
        self._make_gateway(clock)
        cutter = Cutter(self.registry, self.store.accounts.of_sessions, clock, self.freshness.confirm)
        self.revocations = RevocationWatch(self.store.revocations, cutter, clock)
        # Behind proxies an address is one of them, and they have limits of their own.
        most = None if settings.trusted_proxies else max(1, int(CONNECTIONS_PER_ADDRESS * settings.rate_limit_scale))
        self._connections_per_address = most
        self.http = HttpConnections(most)
        self.app, operations = self._make_apps()
        shared = self.peers is not None
        self._listener = Listener(
            self.app, self.http, settings.public, shared=shared, peers=self.peers, secure=settings.production
        )
        self._operations_listener: Listener | None = None
        if (place := settings.operations) is not None:
            connections = HttpConnections(_OPERATORS_CONNECTIONS)
            self._operations_listener = Listener(operations, connections, place, shared=shared)
        self.operations_url: str | None = None
        # The second for as long as there are sockets.
        self.background, self.socket_chores = Background(), Background()

    def _make_fanout(self, clock: Callable[[], datetime]) -> None:
        """What is published reaches the sockets in a room, of this node and of others."""
        self.room_members = RoomMembers()
        self.freshness = Freshness()
        self.delivery = Delivery(self.room_members, self.freshness)
        reader = Reader(self.store, self._files, clock)
        self.filler = GapFiller(self.delivery, lambda: self.bus.up, reader)
        self.slot_notifier = SlotNotifier(self.delivery, self.room_members.watchers, reader)
        self.room_subscriptions = RoomSubscriptions(
            self.bus, self.delivery, self.filler, self.slot_notifier, self.store.log.received
        )
        self.rooms = Rooms(self.room_members, self.room_subscriptions)
        self.freshness.on_restored(self.room_subscriptions.resync)
        self.outages = PublishOutageRecorder(self.bus, self.store.publish_outages, clock)
        self.publisher = ClusterPublisher(self.bus, self.room_subscriptions, self.delivery, self.slot_notifier)

    def _make_cluster(self, clock: Callable[[], datetime]) -> None:
        """Which nodes live and what is left of the dead ones, and which people are here or there."""
        self.membership = ClusterMembership(self.bus.redis)
        self.audience = WatchingConnections(self.freshness)
        self.presence = Presence(
            self.bus,
            self.membership,
            self.audience,
            self.store.presences.raise_last_seen,
            lambda: int(clock().timestamp() * 1000),
            Choices(self.store.presences.choices, self.publisher.publish_choice),
        )
        self.room_subscriptions.on_choice(self.presence.choose)
        self.room_subscriptions.on_missed(self.presence.invalidate)
        self.freshness.on_restored(self.presence.send_withheld)
        self.typing = TypingIndicators(self.publisher, self.presence.hides)
        self.presence.on_hidden(self.typing.leave)
        self.recovery = UnpublishedRecovery(self.store.publish_outages, self.database.answers, clock)
        self.membership.on_node_dead(self.recovery.on_node_dead)
        self.blocked_watches = BlockedWatches(self.store.user_blocks, self.presence, self.audience, self._watchers_of)

    def _make_context(self, clock: Callable[[], datetime]) -> Context:
        settings = self.settings
        return Context(
            store=self.store,
            publisher=self.publisher,
            passwords=self.passwords,
            tokens=self.tokens,
            secrets=self.secrets,
            mailer=self.mailer,
            pusher=self.pusher,
            webhooks=self.webhooks,
            sockets=self.registry,
            typing=self.typing,
            presence=self.presence,
            slot_watches=SlotWatches(self.rooms, self.room_members, self.room_subscriptions),
            files=self._files,
            pictures=self.pictures,
            payments=self.payments,
            return_url=_return_url(settings),
            clock=clock,
            limits=self._published_limits,
            push_delays=PushDelays(settings.push.after, settings.push.digest_after),
            exports_kept=timedelta(days=settings.export_days),
        )

    def _make_gateway(self, clock: Callable[[], datetime]) -> None:
        """Sockets are admitted, and their commands dispatched."""
        settings = self.settings
        buckets = Buckets(settings.rate_limit_scale)
        attendance = Attendance(self.presence, self.audience)
        admission = Admission(
            self.authenticator, self.registry, self.rooms, buckets, clock, attendance, self.room_subscriptions,
            lambda: self.prepared,
        )
        self._own_rows = (SocketRow("auth:refresh", RenewToken, admission.renew),)
        self.dispatcher = Dispatcher(self.context, NAMESPACES, self._own_rows, buckets, self.freshness)
        workers = {} if self.peers is None else {"mark": self.peers.mark, "forward": self.peers.forward}
        self.gateway = Gateway(
            self.rooms,
            admission,
            self.dispatcher,
            self.registry,
            attendance,
            namespaces=NAMESPACE_NAMES,
            origins="*" if "*" in settings.allowed_origins else list(settings.allowed_origins),
            client_address=self._address_of,
            max_sockets_per_address=self._sockets_per_address,
            **workers,
        )

    def _make_apps(self) -> tuple[web.Application, web.Application]:
        """What is public and what is the operators': one and the same where these have no port of their own."""
        metrics = self.metrics
        metrics.add(node_metrics.of_process)
        metrics.add(node_metrics.of_log(self.store.log))
        metrics.add(node_metrics.of_payments(self.payments, self.store.payment_differences))
        metrics.add(node_metrics.of_sockets(self.gateway, self.dispatcher, self.registry))
        metrics.add(node_metrics.of_http(self.http))
        metrics.add(node_metrics.of_fanout(self.bus, self.room_subscriptions, self.publisher, self.delivery))
        metrics.add(self.membership.metrics())
        metrics.add(node_metrics.of_presence(self.presence, self.audience))
        metrics.add(self.durable_work.metrics())
        if self.peers is not None:
            metrics.add(of_peers(self.peers))
        app = web.Application(client_max_size=BODY_LIMIT_BYTES)
        services = Services(
            context=self.context,
            authenticator=self.authenticator,
            limiter=self.limiter,
            client_address=lambda remote, forwarded: client_address(remote, forwarded, self.settings.trusted_proxies),
            mongo_unanswered_seconds=self.database.unanswered_seconds,
        )
        attach_rest(app, services, allowed_origins=self.settings.allowed_origins, secure=self.settings.production)
        app.router.add_get("/asyncapi.json", generated(self._asyncapi))
        app.middlewares.append(refusing_until(lambda: self.prepared))
        self._operations = Operations(
            self.database,
            self.redis,
            self._rendered_metrics,
            lambda: self.draining,
            lambda: self.prepared,
            lambda: self.freshness.current,
            None if self.peers is None else self.peers.others_readiness,
        )
        self._operations.attach_public(app)
        own = app
        if self.settings.operations is not None:
            own = operations_app()
            self._operations.attach_public(own)
        self._operations.attach(own)
        self.gateway.attach(app)
        return app, own

    async def _readiness(self) -> bytes:
        return await self._operations.brief()

    async def _rendered_metrics(self) -> bytes:
        return self.metrics.render() if self.peers is None else merged(await self.peers.known())

    async def _forget(self) -> None:
        await self.retention.forget(self.context.now())

    def _watchers_of(self, user_id: str) -> Collection[str]:
        return self.room_members.connections(PRESENCE, room_names.user(user_id))

    def _published_limits(self) -> Limits:
        if self._limits is None:
            counts = [("socketsOfUser", self._sockets_per_user, "sockets of a user, on one node")]
            counts += [("socketsOfNetwork", self._sockets_per_address, "sockets of a network, on one node")]
            if self._connections_per_address is not None:
                counts += [("connectionsOfNetwork", self._connections_per_address, "HTTP connections of a network")]
            bounds = [Bound(name=name, most=most, unit="items", description=said) for name, most, said in counts]
            sockets = socket_limits(NAMESPACES, self._own_rows, self.settings.rate_limit_scale, bounds)
            self._limits = published(ROWS, self.limiter, sockets)
        return self._limits

    def _asyncapi(self) -> bytes:
        return asyncapi.document(NAMESPACES, self._own_rows, self._published_limits().sockets)

    def _address_of(self, request: web.Request) -> str:
        forwarded = ",".join(request.headers.getall("X-Forwarded-For", ())) or None
        return client_address(request.remote, forwarded, self.settings.trusted_proxies)

    async def start(self) -> str:
        """Prepare the database and listen; answers the public URL.

        A database that does not answer is waited for beside: ``preparation`` ends when all is served, and raises what
        ``prepare`` does. Raises ``CannotListen`` or ``Misconfigured``.
        """
        preparing = asyncio.get_running_loop().create_task(prepare_when_it_answers(self._prepare))
        done, _ = await asyncio.wait([preparing], timeout=LISTEN_AFTER_SECONDS)
        self.preparation = asyncio.get_running_loop().create_task(self._begin(preparing))
        if done:
            await self.preparation
        if self._operations_listener is not None:
            self.operations_url = await self._operations_listener.start()
        return await self._listener.start()

    async def _begin(self, preparing: asyncio.Task[None]) -> None:
        await preparing
        await self.mailer.start()
        self.freshness.start()
        self.revocations.start()
        await self.bus.start()
        await self.room_subscriptions.start()
        self.membership.start()
        self.presence.start()
        self.background.every(ROTATE_SECONDS, "forget what was published", self.publisher.rotate)
        self.socket_chores.every(LOOK_SECONDS, "note publish outage", self.outages.note)
        self.background.every(FORGET_SECONDS, "forget what is kept no longer", self._forget)
        self.background.every(DROP_MAILS_SECONDS, "drop mails of who is gone", self.mailer.drop_unwanted)
        self.socket_chores.every(BLOCKS_LOOK_SECONDS, "part who is blocked", self.blocked_watches.look)
        self.background.every(ASK_SECONDS, "ask whether MongoDB answers", self.recovery.ask)
        self.durable_work.start()
        self.prepared = True

    async def _prepare(self) -> None:
        """All of the start that needs MongoDB, which may leave at any step: then it is done again from the first."""
        await self.store.prepare()
        scans: tuple[ScanName, ...] = ("fresh", "late", "digest") if self.pusher.providers else ("digest",)
        await self.store.begin_recurring(self.context.now(), scans)
        await self.blocked_watches.start()

    async def stop(self) -> None:
        """Take nothing new, finish what was taken, send everybody away to reconnect: within ``DRAIN_SECONDS``."""
        self.draining = True
        self.gateway.stop_reading()
        if self.preparation is not None:
            await cancelled([self.preparation])
        await self._listener.close()
        await asyncio.gather(
            self.background.stop(),
            draining.within(
                draining.WORK_SECONDS, self.durable_work.stop(draining.COMMANDS_SECONDS), "durable work"
            ),
            draining.within(draining.COMMANDS_SECONDS, self.dispatcher.drain(), "commands"),
        )
        await asyncio.gather(
            self.gateway.eio.drain(draining.SOCKETS_SECONDS),
            draining.within(draining.SOCKETS_SECONDS, self.mailer.stop(), "mails"),
        )
        await self.gateway.eio.shutdown()
        await asyncio.gather(
            draining.within(draining.REQUESTS_SECONDS, self._listener.stop(), "requests"),
            # Until here there were sockets whose sessions may end, or who may be blocked.
            draining.within(draining.REQUESTS_SECONDS, self.revocations.stop(), "revocations"),
            self.socket_chores.stop(),
        )
        await asyncio.gather(
            draining.within(draining.WRITES_SECONDS, self.store.drain(), "writes"),
            draining.within(draining.WRITES_SECONDS, self._stop_services(), "services"),
        )
        await asyncio.gather(
            draining.within(draining.PRESENCE_SECONDS, self._leave_cluster(), "presence"),
            draining.within(draining.PRESENCE_SECONDS, self.outages.stop(), "publish outage"),
        )
        self.room_subscriptions.stop()
        await self.store.log.stop()
        await self.filler.stop()
        await self.slot_notifier.stop()
        await self.bus.stop()
        # The driver ends its sessions at MongoDB, and waits for an answer. Operators may see until then that it drains.
        await asyncio.gather(
            draining.within(draining.DATABASE_SECONDS, asyncio.to_thread(self.database.close), "database"),
            self._stop_operations(),
        )

    async def _stop_services(self) -> None:
        """What this node asks of others: image processes, push services, webhooks, Stripe."""
        self.passwords.close()
        await self.pictures.stop()
        await self.pusher.stop()
        await self.webhooks.stop()
        await self.payments.close()

    async def _stop_operations(self) -> None:
        if self._operations_listener is not None:
            await self._operations_listener.close()
            await draining.within(draining.DATABASE_SECONDS, self._operations_listener.stop(), "operations")

    async def _leave_cluster(self) -> None:
        await self.presence.stop_registering()
        await self.presence.stop(resigned=await self.membership.stop())
