"""The ports that handlers use of the server: what stands behind them is chosen by the composition root."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal, Protocol

from domain.sessions import Reason

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Hashable, Iterable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager
    from decimal import Decimal

    from domain.accounts import User
    from domain.conversations import Membership
    from domain.disputes import DisputeAtStripe
    from domain.payments import Account, Incoming, Intent, Link, ListedIntent, Transaction
    from domain.presence import Choice, Status, View
    from domain.refunds import Refund, RefundAtStripe
    from domain.slots import Days, SlotHint
    from domain.trainer_parts import Move, TrainerPart
    from domain.webhooks import Failure
    from domain.wire.events import Event
    from handlers.mail_rendering import Mail
    from handlers.pushes import Push
    from store.pushes import Provider


class Publisher(Protocol):
    """Publishes the live events of commands."""

    def publish(self, event: Event, *rooms: str) -> None:
        """Hand the event to every member of the rooms; never raises, never waits."""

    def hint_slots(self, trainer_id: str, hint: SlotHint) -> None:
        """Have every node look whose connections watch the trainer's slots; never raises, never waits."""

    def announce_head(self, conversation_id: str, seq: int, *rooms: str) -> None:
        """A conversation got so far: members of the rooms are sent what they have not received, from the log."""


class Passwords(Protocol):
    """argon2 in a bounded pool of threads."""

    async def hash(self, password: str, salt: str | None = None) -> str:
        """With a salt (32 hex digits) the same password gives the same hash."""

    async def verify(self, hashed: str | None, password: str) -> bool:
        """Whether it fits; without a hash, false after the same work as with one."""

    async def hash_like(self, hashed: str | None, salt: str, password: str) -> str:
        """Under the parameters and the salt of ``hashed``: equal to it when the password fits. Without one, a hash
        under today's and ``salt``, after the same work."""

    async def weakness(self, password: str, own: Sequence[str] = ()) -> str | None:
        """Why it is among the passwords that are guessed first; ``own``: what is known of its owner. None for any
        other."""

    def is_outdated(self, hashed: str) -> bool:
        """Whether it was made with other parameters than today's."""


class Tokens(Protocol):
    """Access tokens."""

    def issue(self, user: User, session_id: str, now: datetime, generation: int = 0) -> tuple[str, int]:
        """A signed access token and its lifetime in seconds; ``generation``: of the refresh token beside it."""


class Secrets(Protocol):
    """Randomness and keyed hashes."""

    def six_digits(self, purpose: str, value: str) -> str:
        """A keyed hash that people can type."""

    def random(self) -> str:
        """256 random bits, URL-safe."""

    def keyed_hash(self, purpose: str, value: str) -> str:
        """A hash that cannot be tried offline without the server's key."""


class Mailer(Protocol):
    def send(self, mail: Mail) -> None:
        """Queue it; the answer of a command never waits for the mail server."""

    async def deliver(self, mail: Mail) -> bool:
        """Hand it in now; false when a later try may succeed. For work that remembers what is still to be done."""


PushOutcome = Literal["delivered", "gone", "later", "refused"]


class Pusher(Protocol):
    """The push services."""

    @property
    def providers(self) -> Collection[Provider]:
        """Those that are set up."""

    async def deliver(self, provider: Provider, push: Push, registered_at: datetime) -> PushOutcome:
        """One try. ``gone``: the token leads nowhere since it was registered; ``later``: another try may succeed;
        ``refused``: none will."""


class Webhooks(Protocol):
    """Other systems' endpoints."""

    @property
    def allows_private(self) -> bool:
        """Whether they may have private addresses, and do without TLS."""

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Failure | None:
        """One try; nothing when it was taken."""


class Sockets(Protocol):
    """The live connections."""

    def cut(self, user_id: str, reason: Reason, session_id: str | None = None) -> None:
        """Close the user's sockets on this node (of one session only, if named), telling them why."""


class Typing(Protocol):
    """Who is typing where, on this node; ends by itself."""

    def set(self, member: Membership, user_id: str, *, active: bool) -> None: ...


class Presence(Protocol):
    """Presence, as the connections of this node receive it."""

    async def watch(self, connection: str, user_ids: Sequence[str]) -> dict[str, View]:
        """Their present views; the connection is sent every change after that. Raises when it watches too many."""

    def unwatch(self, connection: str, user_ids: Iterable[str]) -> None: ...

    def device_of(self, connection: str) -> Hashable | None:
        """The device behind a connection; None when it has gone."""

    def set(self, user_id: str, device: Hashable | None, status: Status, choice: Choice) -> None:
        """The status that a device sets for its owner, and what holds for all the owner's devices."""

    async def published(self, user_id: str) -> None:
        """Return when what was set last is published, or cannot be for now."""

    def invalidate(self, user_id: str) -> None:
        """What the user chose is not known for certain: read it again."""


class SlotWatches(Protocol):
    """Whose slots the connections of this node watch."""

    async def watch(self, connection: str, trainer_id: str, days: Days) -> Days | None:
        """When this returns the connection receives every change of these days, beside those that it watched before,
        which are answered. Raises ``conflict`` when it watches too many.
        """

    def only(self, connection: str, trainer_id: str, days: Days) -> None:
        """Changes of no other days from here on."""

    def unwatch(self, connection: str, trainer_id: str) -> None: ...


class FileUrls(Protocol):
    """Where a file can be fetched without a header, for a while."""

    def signed(self, file_id: str) -> str: ...

    def verifies(self, file_id: str, expires: int, signature: str) -> bool:
        """Whether a URL is ours and still good."""


@dataclass(frozen=True, slots=True)
class Picture:
    """An image as it is stored; pixels."""

    content_type: str
    width: int
    height: int
    content: bytes


@dataclass(frozen=True, slots=True)
class Pictures:
    image: Picture
    thumbnail: Picture


class PictureMaker(Protocol):
    """Decodes and encodes images, in processes of its own, shared fairly; their time is charged."""

    def require_seconds(self, account: str, network: str) -> None:
        """Raises ``rate_limited`` when the account or its network has used up what its images may take."""

    def made(
        self, account: str, network: str, size: int, content: AsyncIterator[bytes]
    ) -> AbstractAsyncContextManager[Pictures]:
        """To be left when they are written. Raises ``unsupported_media`` for what is no whole image, or takes too much
        to decode; ``payload_too_large`` for too many pixels or frames; ``rate_limited`` as above, ``unavailable`` when
        the turn does not come within the budget."""


class PaymentProvider(Protocol):
    """Stripe. A call raises ``unavailable`` when it does not answer, ``StripeRefused`` for what it will never do."""

    @property
    def publishable_key(self) -> str: ...
    @property
    def api_base(self) -> str | None:
        """Where something stands in for Stripe."""

    @property
    def currency(self) -> str: ...
    @property
    def fee_percent(self) -> Decimal: ...

    async def create_account(self, trainer_id: str, email: str) -> str:
        """Its id; the same one, however often it is asked."""

    async def account(self, account_id: str) -> Account: ...
    async def onboarding(self, account_id: str, return_url: str) -> Link: ...
    async def dashboard(self, account_id: str) -> str: ...
    async def create_customer(self, client_id: str, email: str) -> str:
        """As ``create_account``."""

    async def customer_session(self, customer_id: str) -> str: ...
    async def create_intent(self, transaction: Transaction, customer_id: str) -> Intent:
        """As ``create_account``."""

    async def intent(self, intent_id: str) -> Intent: ...
    def intents_since(self, since: datetime) -> AsyncIterator[Sequence[ListedIntent]]:
        """Page by page, the newest first."""

    async def delete_customer(self, customer_id: str) -> None: ...
    async def cancel_intent(self, intent_id: str) -> Intent: ...
    async def create_refund(self, transaction: Transaction, refund: Refund) -> str:
        """As ``create_account``."""

    async def refunds(self, intent_id: str) -> Sequence[RefundAtStripe]:
        """The oldest first."""

    async def disputes(self, intent_id: str) -> Sequence[DisputeAtStripe]:
        """The oldest first."""

    async def parts(self, transaction: Transaction) -> Sequence[TrainerPart]:
        """What the trainer has of it: transfers that were made anew first, the newest first, then the payment's own."""

    async def move(self, transaction: Transaction, move: Move) -> None:
        """To the trainer or back, once."""

    def verified(self, payload: bytes, signature: str) -> Incoming | None:
        """An event that Stripe signed in the last minutes."""

    async def events_since(self, since: datetime) -> Sequence[Incoming]:
        """The newest first."""
