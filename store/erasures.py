"""The end of an account: what is forgotten of it in one transaction, and what is looked at once more.

An erased account is a pending erasure until then: a transaction may have committed what the erasure did not see.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta

import msgspec
from bson import ObjectId

from domain.accounts import Role, User
from domain.errors import DomainError
from domain.webhooks import of_user
from store.accounts import Accounts, hot
from store.bookings import Bookings
from store.calendars import Calendars
from store.database import ClientSession, CollectionSchema, Database
from store.devices import PushDevices
from store.digests import Digests
from store.exports import Exports
from store.failures import repository
from store.files import Files
from store.final_refunds import FinalRefunds
from store.idempotency import Idempotency
from store.notification_preferences import NotificationPreferences
from store.offers import Offers
from store.profiles import Profiles
from store.pushes import Pushes
from store.registrations import Registrations
from store.reports import Reports
from store.reviews import Reviews
from store.sessions import Sessions
from store.stripe_accounts import StripeAccounts
from store.user_blocks import UserBlocks
from store.users import Users
from store.webhook_deliveries import WebhookDeliveries
from store.work_queue import Undated, WorkQueue, WorkRow, work_indexes

NAME = "departures"
# MongoDB ends transactions after 60 s (transactionLifetimeLimitSeconds); and nodes' clocks differ.
LONGEST_TRANSACTION = timedelta(seconds=90)
# "age": by "at"; rows are found by "due" since.
SCHEMAS = (CollectionSchema(NAME, work_indexes(), obsolete=("age",)),)


class PendingErasure(msgspec.Struct, frozen=True):
    """``at``: when it was erased. ``after``: the last conversation whose messages have been taken back."""

    user_id: str
    role: Role
    profile_id: str
    at: datetime
    after: str | None = None


@repository
class PendingErasures:
    def __init__(self, database: Database) -> None:
        self._rows = database.collection(NAME)
        self.queue = WorkQueue(database, NAME, removes=True, undated=Undated("at", LONGEST_TRANSACTION))

    async def add(self, user: User, now: datetime, *, session: ClientSession) -> None:
        row = {"_id": ObjectId(user.id), "role": user.role, "profileId": user.profile_id, "at": now}
        row["dueAt"] = now
        await self._rows.insert_one(row, session=session)

    @staticmethod
    def row(claimed: WorkRow) -> PendingErasure:
        after = claimed.document.get("after")
        return PendingErasure(
            str(claimed.id), claimed.document["role"], claimed.document["profileId"], claimed.document["at"],
            None if after is None else str(after),
        )  # fmt: skip

    async def go_on(self, claimed: WorkRow, at: datetime, after: str | None) -> None:
        """There is more to take back, at that time; ``after`` as in the row, nothing to begin with the first again."""
        await self.queue.reschedule(claimed, at, {"after": None if after is None else ObjectId(after)})


@repository
class Erasures:
    """Every part of the store that has something of somebody."""

    def __init__(
        self,
        database: Database,
        accounts: Accounts,
        pending: PendingErasures,
        users: Users,
        profiles: Profiles,
        sessions: Sessions,
        offers: Offers,
        idempotency: Idempotency,
        bookings: Bookings,
        files: Files,
        calendars: Calendars,
        registrations: Registrations,
        user_blocks: UserBlocks,
        reports: Reports,
        reviews: Reviews,
        notification_preferences: NotificationPreferences,
        devices: PushDevices,
        digests: Digests,
        pushes: Pushes,
        exports: Exports,
        stripe_accounts: StripeAccounts,
        final_refunds: FinalRefunds,
        webhooks: WebhookDeliveries,
    ) -> None:
        self._database = database
        self._accounts = accounts
        self._pending = pending
        self._users = users
        self._profiles = profiles
        self._sessions = sessions
        self._offers = offers
        self._idempotency = idempotency
        self._bookings = bookings
        self._files = files
        self._calendars = calendars
        self._registrations = registrations
        self._user_blocks = user_blocks
        self._reports = reports
        self._reviews = reviews
        self._notification_preferences = notification_preferences
        self._devices = devices
        self._digests = digests
        self._pushes = pushes
        self._exports = exports
        self._stripe_accounts = stripe_accounts
        self._final_refunds = final_refunds
        self._webhooks = webhooks

    async def erase(self, user: User, now: datetime) -> list[str] | None:
        """Forget who the user was; ids of the sessions ended, nothing when it was erased meanwhile."""

        async def body(session: ClientSession) -> list[str] | None:
            if not await self._users.erase(user, now, session=session):
                return None
            # Before the profile forgets who that is at Stripe.
            customer = await self._stripe_accounts.customer(user.profile_id, session=session)
            await self._final_refunds.add(user, customer, now, session=session)
            await self._profiles.erase(user.role, user.profile_id, now, session=session)
            await self._idempotency.forget(user.id, session=session)
            await self._offers.forget(user, session=session)
            await self._files.release_owner(user.id, now, session=session)
            await self._calendars.remove(user.id, session=session)
            await self._registrations.forget(user.email, session=session)
            await self._user_blocks.forget(user.id, session=session)
            await self._reports.forget(user.id, session=session)
            await self.forget_notifications(user.id, session=session)
            await self._exports.forget(user.id, session=session)
            if user.role == "client":
                await self._reviews.forget(user.profile_id, now, session=session)
            await self._sessions.forget(user.id, session=session)
            await self._bookings.leave(user.role, user.profile_id, now, session=session)
            await self._pending.add(user, now, session=session)
            await self._webhooks.add(of_user("user.erased", user, now), session=session)
            await self._accounts.refresh_listing(user.role, user.profile_id, session=session)
            return await self._accounts.end_all(user.id, "erased", now, session=session)

        ended = await self._database.transaction(body, hot=hot(user))
        if ended is not None:
            with suppress(DomainError):
                # What was committed in between would otherwise wait for the last look.
                await self._bookings.leave(user.role, user.profile_id, now)
        return ended

    async def forget_notifications(self, user_id: str, *, session: ClientSession | None = None) -> None:
        """What the user wanted to be told, where, and what was on its way."""
        await self._notification_preferences.forget(user_id, session=session)
        await self._devices.forget(user_id, session=session)
        await self._digests.forget(user_id, session=session)
        await self._pushes.forget(user_id, session=session)
