"""What a handler is given: the store, and the ports that the composition root fills (``handlers/ports.py``)."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from domain.errors import DomainError, rate_limited, unavailable
from domain.files import LARGEST
from domain.times import whole_milliseconds
from domain.wire.limits import Limits
from handlers.document_cache import DocumentCache
from handlers.jobs import WakeUps
from handlers.ports import (
    FileUrls,
    Mailer,
    Passwords,
    PaymentProvider,
    PictureMaker,
    Presence,
    Publisher,
    Pusher,
    Secrets,
    SlotWatches,
    Sockets,
    Tokens,
    Typing,
    Webhooks,
)
from store.concurrency import SingleFlight
from store.fair_limiter import FairLimiter
from store.fair_space import FairSpace

if TYPE_CHECKING:
    from store.store import Store

# Each works on a thread of the driver's or on the loop. What more of them would bring forward is only memory.
SYNCS_AT_ONCE, SYNCS_OF_ONE_USER = 4, 2
# Calendar feeds: of thousands of bookings one takes seconds of CPU, and two megabytes.
FEEDS_WRITTEN_AT_ONCE, FEED_BYTES = 2, 32_000_000
# Uploads that are whole, on their way into the database: a client's pace holds none of these turns.
STORING_AT_ONCE, STORING_OF_ONE_NETWORK, STORING_OF_ONE_USER = 16, 8, 2
# What uploads have on disk before they are whole, on a node: four of the largest of one user.
SPOOLED_BYTES, SPOOLED_BYTES_OF_ONE_USER = 2_000_000_000, 4 * LARGEST
# Who gets no turn is answered when to try again, at most so much later; not all of them in the same moment.
LONGEST_RETRY_SECONDS = 30.0


def no_turn(seconds: float) -> DomainError:
    """``unavailable``, where all who wait would have had their turns in so many seconds."""
    error = unavailable()
    error.retry_after_ms = int(1000 * max(1.0, random.uniform(0.5, 1.0) * min(LONGEST_RETRY_SECONDS, seconds)))
    return error


def no_spool_room() -> DomainError:
    return rate_limited("Too much is being uploaded", 10_000)


@dataclass(frozen=True, slots=True)
class PushDelays:
    """How long a device has to confirm a message before it is pushed, and how long messages stay unread before a
    digest."""

    push: timedelta = timedelta(seconds=10)
    digest: timedelta = timedelta(hours=1)


class ReadContext(Protocol):
    """What look-ups and views are given."""

    @property
    def store(self) -> Store: ...
    @property
    def files(self) -> FileUrls: ...
    @property
    def clock(self) -> Callable[[], datetime]: ...
    def now(self) -> datetime: ...


class PublishContext(ReadContext, Protocol):
    """What commands are given that publish to others."""

    @property
    def publisher(self) -> Publisher: ...
    @property
    def wake_ups(self) -> WakeUps: ...
    @property
    def introducing(self) -> SingleFlight: ...


class AccountContext(PublishContext, Protocol):
    """What the commands of accounts and sessions are given."""

    @property
    def passwords(self) -> Passwords: ...
    @property
    def tokens(self) -> Tokens: ...
    @property
    def secrets(self) -> Secrets: ...
    @property
    def mailer(self) -> Mailer: ...
    @property
    def sockets(self) -> Sockets: ...
    @property
    def exports_kept(self) -> timedelta: ...


class MailedContext(ReadContext, Protocol):
    @property
    def secrets(self) -> Secrets: ...
    @property
    def mailer(self) -> Mailer: ...


class ReminderContext(PublishContext, MailedContext, Protocol):
    """What the work is given that tells people what happens to their bookings."""

    @property
    def pusher(self) -> Pusher: ...


class NotifyContext(MailedContext, Protocol):
    """What the work is given that mails and pushes come from."""

    @property
    def pusher(self) -> Pusher: ...
    @property
    def push_delays(self) -> PushDelays: ...
    @property
    def wake_ups(self) -> WakeUps: ...


class PaymentContext(PublishContext, Protocol):
    @property
    def payments(self) -> PaymentProvider: ...
    @property
    def return_url(self) -> str: ...


class WebhookContext(PublishContext, Protocol):
    @property
    def secrets(self) -> Secrets: ...
    @property
    def webhooks(self) -> Webhooks: ...


class FeedContext(ReadContext, Protocol):
    @property
    def secrets(self) -> Secrets: ...
    @property
    def feeds(self) -> DocumentCache: ...


class ConversationContext(PublishContext, Protocol):
    @property
    def typing(self) -> Typing: ...


class SyncContext(ReadContext, Protocol):
    @property
    def syncing(self) -> FairLimiter: ...


class PresenceContext(ReadContext, Protocol):
    @property
    def presence(self) -> Presence: ...


class SlotContext(ReadContext, Protocol):
    @property
    def slot_watches(self) -> SlotWatches: ...


class UploadContext(ReadContext, Protocol):
    @property
    def pictures(self) -> PictureMaker: ...
    @property
    def storing(self) -> FairLimiter: ...
    @property
    def spooling(self) -> FairSpace: ...


@dataclass(frozen=True, slots=True)
class Reader:
    """A ``ReadContext`` and nothing more."""

    store: Store
    files: FileUrls
    clock: Callable[[], datetime]

    def now(self) -> datetime:
        """The clock, cut to the milliseconds that MongoDB keeps."""
        return whole_milliseconds(self.clock())


@dataclass(frozen=True, slots=True)
class Context:
    """Everything at once, made by the composition root; a handler names the part that it uses."""

    store: Store
    publisher: Publisher
    passwords: Passwords
    tokens: Tokens
    secrets: Secrets
    mailer: Mailer
    pusher: Pusher
    webhooks: Webhooks
    sockets: Sockets
    typing: Typing
    presence: Presence
    slot_watches: SlotWatches
    files: FileUrls
    pictures: PictureMaker
    payments: PaymentProvider
    # Where Stripe's pages lead back to.
    return_url: str
    clock: Callable[[], datetime]
    # Looked up in a thread; the root gives its own, made once.
    limits: Callable[[], Limits]
    push_delays: PushDelays = PushDelays()
    exports_kept: timedelta = timedelta(days=7)
    wake_ups: WakeUps = field(default_factory=WakeUps)
    introducing: SingleFlight = field(default_factory=SingleFlight)
    syncing: FairLimiter = field(default_factory=lambda: FairLimiter(SYNCS_OF_ONE_USER, SYNCS_AT_ONCE, no_turn))
    feeds: DocumentCache = field(
        default_factory=lambda: DocumentCache(FEED_BYTES, FairLimiter(1, FEEDS_WRITTEN_AT_ONCE, no_turn))
    )
    storing: FairLimiter = field(
        default_factory=lambda: FairLimiter(STORING_OF_ONE_USER, STORING_AT_ONCE, no_turn, STORING_OF_ONE_NETWORK)
    )
    spooling: FairSpace = field(
        default_factory=lambda: FairSpace(SPOOLED_BYTES_OF_ONE_USER, SPOOLED_BYTES, no_spool_room)
    )

    def now(self) -> datetime:
        """The clock, cut to the milliseconds that MongoDB keeps."""
        return whole_milliseconds(self.clock())
