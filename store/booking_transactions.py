"""What a booking's change touches at once: one transaction each, from both parties' time to the outbox.

The client's time is exclusive by claims of its own: who trains here cannot train elsewhere.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from collections.abc import Collection as Several
from datetime import datetime
from typing import Protocol, TypeVar

import msgspec
from bson import ObjectId
from pymongo import ASCENDING, IndexModel
from pymongo.errors import DuplicateKeyError

from domain.booking_changes import BookingChange, Settlement, is_mailed
from domain.bookings import OCCUPYING, Booking, client_claims
from domain.credits import Balance, CreditEntry
from domain.errors import Code, DomainError
from domain.owed_credits import taken_entry
from domain.reminders import ReminderNotice
from domain.stored import StoredFormat
from domain.times import to_wire
from domain.webhooks import of_booking
from store.audit import AuditWriter
from store.booking_mails import BookingMails
from store.bookings import Bookings
from store.conversations import Conversations
from store.credits import Credits, Trials
from store.database import SHARED, ClientSession, CollectionSchema, Database, Hot
from store.failures import duplicate_of, repository
from store.idempotency import Claim, Idempotency
from store.outbox import Outbox
from store.owed_credits import OwedCreditRows
from store.pushes import DuePush, Pushes
from store.reminder_mails import ReminderMails
from store.reviews import Reviews
from store.webhook_deliveries import WebhookDeliveries

NAME = "clientClaims"
CLAIMS_INDEX = "clientClaims"
SCHEMAS = (
    CollectionSchema(
        NAME,
        (
            IndexModel([("client", ASCENDING), ("claims", ASCENDING)], name=CLAIMS_INDEX, unique=True),
            IndexModel([("booking", ASCENDING)], name="booking", unique=True),
        ),
    ),
)


class ClientClaims:
    """Called within a booking's transaction only."""

    def __init__(self, database: Database) -> None:
        self._claims = database.collection(NAME)

    async def put(self, booking: Booking, *, session: ClientSession) -> None:
        """The booking's present state; raises ``DuplicateKeyError`` when the client has another session then."""
        of_booking = {"booking": ObjectId(booking.id)}
        if booking.status not in OCCUPYING:
            await self._claims.delete_one(of_booking, session=session)
            return
        document = {**of_booking, "client": ObjectId(booking.client_id), "claims": client_claims(booking)}
        await self._claims.replace_one(of_booking, document, upsert=True, session=session)


T = TypeVar("T")


class Beside(Protocol):
    """What is committed with a change of a booking, or undoes it by what it raises."""

    async def __call__(self, *, session: ClientSession) -> object: ...


# What is kept of a booking under a key.
RESULT = StoredFormat(Booking, msgspec.json)


@repository
class BookingTransactions:
    def __init__(
        self,
        database: Database,
        bookings: Bookings,
        conversations: Conversations,
        credits: Credits,
        outbox: Outbox,
        idempotency: Idempotency,
        reviews: Reviews,
        mails: BookingMails,
        reminders: ReminderMails,
        pushes: Pushes,
        webhooks: WebhookDeliveries,
        owed: OwedCreditRows,
    ) -> None:
        self._database = database
        self._bookings = bookings
        self._conversations = conversations
        self._credits = credits
        self._outbox = outbox
        self._idempotency = idempotency
        self._reviews = reviews
        self._mails = mails
        self._reminders = reminders
        self._pushes = pushes
        self._webhooks = webhooks
        self._owed = owed
        self._client_claims = ClientClaims(database)
        self._trials = Trials(database)

    async def book(
        self,
        change: BookingChange,
        settlement: Settlement,
        now: datetime,
        claim: Claim | None,
        beside: Beside | None = None,
    ) -> BookingChange:
        """A new booking, in the pair's conversation; answers the change as committed.

        Raises ``slot_taken``, ``own_conflict``, ``insufficient_credit`` or ``trial_unavailable``.
        """

        async def body(session: ClientSession) -> BookingChange:
            conversation_id = await self._conversations.open_within(
                change.booking.client_user_id, change.booking.trainer_user_id, now, session=session
            )
            booking = msgspec.structs.replace(change.booking, conversation_id=conversation_id)
            await self._bookings.insert(booking, now, session=session)
            committed = msgspec.structs.replace(change, booking=booking)
            if beside is not None:
                await beside(session=session)
            return await self._settle(None, committed, settlement, claim, session)

        return await self._commit(body, _hot(change.booking, settlement))

    async def alter(
        self,
        before: Booking,
        change: BookingChange,
        settlement: Settlement,
        now: datetime,
        claim: Claim | None,
        audit: AuditWriter | None = None,
        beside: Beside | None = None,
    ) -> BookingChange | None:
        """The next version of a booking; nothing when it was changed meanwhile, or reviewed and now missed. Raises as
        ``book``. ``audit``: of an administrator's act."""

        async def body(session: ClientSession) -> BookingChange | None:
            if change.action == "no_show" and await self._reviews.has(change.booking.id, session=session):
                return None
            if not await self._bookings.replace(change.booking, now, session=session):
                return None
            if audit is not None:
                await audit(_fields(before), _fields(change.booking), session=session)
            if beside is not None:
                await beside(session=session)
            return await self._settle(before, change, settlement, claim, session)

        return await self._commit(body, _hot(change.booking, settlement))

    async def remind(
        self,
        booking: Booking,
        given: Sequence[ReminderNotice],
        pushes: Sequence[DuePush],
        now: datetime,
        due_at: datetime | None,
    ) -> bool:
        """Note that these were given, with the mails and pushes that are owed of them, and when the booking wants
        attention next; false when it was changed meanwhile, or another noted one of them."""
        owed = [notice for notice in given if notice.is_mail]

        async def body(session: ClientSession) -> bool:
            names = [notice.name for notice in given]
            if not await self._bookings.attended(booking, names, due_at, session=session):
                return False
            if owed:
                await self._reminders.add(booking, owed, now, session=session)
            await self._pushes.add_all(pushes, now, session=session)
            return True

        return await self._database.transaction(body)

    async def _settle(
        self,
        before: Booking | None,
        change: BookingChange,
        settlement: Settlement,
        claim: Claim | None,
        session: ClientSession,
    ) -> BookingChange:
        booking = change.booking
        await self._client_claims.put(booking, session=session)
        if settlement.credit is not None:
            balance = await self._settle_credit(booking, settlement.credit, session)
            change = msgspec.structs.replace(change, balance=balance if settlement.credit.amount else None)
        if settlement.trial == "consume":
            await self._trials.consume(booking, settlement.trial_limit, session=session)
        elif settlement.trial == "return":
            await self._trials.give_back(before or booking, session=session)
        elif settlement.trial == "move":
            await self._trials.move(before or booking, booking, settlement.trial_limit, session=session)
        await self._outbox.add(change, session=session)
        if is_mailed(before, change):
            await self._mails.add(change, session=session)
        await self._webhooks.add(of_booking(change), session=session)
        if claim is not None:
            # What people wrote is kept in the booking alone.
            kept = msgspec.structs.replace(booking, note=None, reason=None)
            await self._idempotency.keep_within(claim, RESULT.encode(kept), RESULT.version, session=session)
        return change

    async def _settle_credit(self, booking: Booking, entry: CreditEntry, session: ClientSession) -> Balance:
        """What comes back goes again, where its money has gone."""
        balance = await self._credits.record_within(entry, session=session)
        if entry.amount > 0:
            owed = await self._owed.take(booking, entry.created_at, session=session)
            if owed is not None:
                taken = taken_entry(owed, booking, entry.created_at)
                balance = await self._credits.record_within(taken, session=session)
        return balance

    async def _commit(self, body: Callable[[ClientSession], Awaitable[T]], hot: Several[Hot]) -> T:
        try:
            return await self._database.transaction(body, hot=hot)
        except DuplicateKeyError as error:
            raise _refusal(error) from None


def _fields(booking: Booking) -> dict[str, object]:
    """What administrators change of a booking."""
    return {"status": booking.status, "startsAt": to_wire(booking.starts_at), "version": booking.version}


def _hot(booking: Booking, settlement: Settlement) -> tuple[Hot, ...]:
    """A trainer's trials of a week are counted in one document; all the rest of a booking is its two parties'."""
    return ((SHARED, f"trials:{booking.trainer_id}"),) if settlement.trial is not None else ()


def _refusal(error: DuplicateKeyError) -> DomainError:
    violated = duplicate_of(error).keys()
    if violated == {"trainer", "claims"}:
        return DomainError(Code.SLOT_TAKEN, "Somebody else has booked this time.")
    if violated == {"client", "claims"}:
        return DomainError(Code.OWN_CONFLICT, "You have another session at this time.")
    if violated == {"client", "trainer"}:
        return DomainError(Code.TRIAL_UNAVAILABLE, "You have had your trial with this trainer.")
    raise error
