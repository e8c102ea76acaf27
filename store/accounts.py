"""What touches a user, its profile and its sessions at once: one transaction each.

An erased account is a pending erasure until it was looked at once more: a transaction may have committed what the
erasure did not see.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import msgspec
from bson import ObjectId
from pymongo.errors import DuplicateKeyError

from domain.accounts import AccountBlock, Role, User
from domain.errors import DomainError
from domain.proofs import Registration
from domain.sessions import Reason, Session
from domain.webhooks import of_user
from store.audit import AuditWriter
from store.bookings import Bookings
from store.calendars import Calendars
from store.database import OWN, ClientSession, CollectionSchema, Database, Hot
from store.devices import PushDevices
from store.digests import Digests
from store.exports import Exports
from store.failures import repository
from store.files import Files
from store.final_refunds import FinalRefunds
from store.idempotency import Idempotency
from store.listings import Listings
from store.listings import hot as hot_profile
from store.notification_preferences import NotificationPreferences
from store.offers import Offers
from store.profiles import NewProfile, Profiles
from store.pushes import Pushes
from store.registrations import Registrations
from store.reports import Reports
from store.reviews import Reviews
from store.revocations import Revocations
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
class Accounts:
    def __init__(
        self,
        database: Database,
        users: Users,
        profiles: Profiles,
        sessions: Sessions,
        revocations: Revocations,
        offers: Offers,
        listings: Listings,
        idempotency: Idempotency,
        bookings: Bookings,
        files: Files,
        calendars: Calendars,
        registrations: Registrations,
        pending_erasures: PendingErasures,
        user_blocks: UserBlocks,
        reports: Reports,
        notification_preferences: NotificationPreferences,
        devices: PushDevices,
        digests: Digests,
        pushes: Pushes,
        exports: Exports,
        reviews: Reviews,
        stripe_accounts: StripeAccounts,
        final_refunds: FinalRefunds,
        webhooks: WebhookDeliveries,
    ) -> None:
        self._database = database
        self._users = users
        self._profiles = profiles
        self._sessions = sessions
        self._revocations = revocations
        self._offers = offers
        self._listings = listings
        self._idempotency = idempotency
        self._bookings = bookings
        self._files = files
        self._calendars = calendars
        self._registrations = registrations
        self._pending_erasures = pending_erasures
        self._user_blocks = user_blocks
        self._reports = reports
        self._notification_preferences = notification_preferences
        self._devices = devices
        self._digests = digests
        self._pushes = pushes
        self._exports = exports
        self._reviews = reviews
        self._stripe_accounts = stripe_accounts
        self._final_refunds = final_refunds
        self._webhooks = webhooks

    async def create(self, user: User, profile: NewProfile, audit: AuditWriter) -> bool:
        """An administrator's user and profile, both or none; false when the address is taken."""

        async def body(session: ClientSession) -> None:
            await self._insert(user, profile, session)
            await audit(None, {"role": user.role}, session=session)

        try:
            await self._database.transaction(body)
        except DuplicateKeyError:
            return False
        return True

    async def activate(self, user: User, registration: Registration, profile: NewProfile) -> bool:
        """User and profile in place of the registration and all others of its address; false when it was used or
        renewed, or the address proved, meanwhile."""

        async def body(session: ClientSession) -> bool:
            if not await self._registrations.use(registration, session=session):
                return False
            former = await self._users.remove_unproved(user.email, session=session)
            if former is not None:
                await self._profiles.delete(former.role, former.profile_id, session=session)
                if former.role == "trainer":
                    await self._listings.delete(former.profile_id, session=session)
            await self._insert(user, profile, session)
            await self._webhooks.add(of_user("user.registered", user, user.created_at), session=session)
            return True

        try:
            return await self._database.transaction(body, hot=_hot(user))
        except DuplicateKeyError:
            return False

    async def _insert(self, user: User, profile: NewProfile, session: ClientSession) -> None:
        await self._users.insert(user, session=session)
        await self._profiles.insert(user.role, profile, session=session)
        await self._list(user.role, user.profile_id, session)

    async def change_password(self, user: User, password: str, changed_at: datetime, new: Session) -> list[str] | None:
        """A new hash for the one that ``user`` was read with, and one new session in place of all earlier ones.

        Answers the ids of the sessions ended; nothing when the password was changed meanwhile.
        """
        return await self._set_password(user, password, changed_at, {"password": user.password}, new)

    async def reset_password(self, user: User, password: str, changed_at: datetime, token: str) -> list[str] | None:
        """The same by a reset token (its keyed hash), without a new session."""
        return await self._set_password(user, password, changed_at, {"resetToken": token}, None)

    async def _set_password(
        self, user: User, password: str, changed_at: datetime, proof: dict[str, Any], new: Session | None
    ) -> list[str] | None:
        async def body(session: ClientSession) -> list[str] | None:
            if not await self._users.set_password(user, password, changed_at, proof=proof, session=session):
                return None
            ended = await self._end_all(user.id, "password_changed", changed_at, session)
            if new is not None:
                await self._sessions.insert(new, session=session)
            return ended

        return await self._database.transaction(body, hot=_hot(user))

    async def end_session(self, user_id: str, session_id: str, reason: Reason, now: datetime) -> bool:
        """False when the user has no such live session."""

        async def body(session: ClientSession) -> bool:
            if not await self._sessions.revoke(user_id, session_id, reason, now, session=session):
                return False
            await self._revocations.add(user_id, session_id, reason, now, session=session)
            return True

        return await self._database.transaction(body)

    async def end_all_sessions(self, user_id: str, reason: Reason, now: datetime) -> list[str]:
        """Ids of the sessions that stood until now."""

        async def body(session: ClientSession) -> list[str]:
            return await self._end_all(user_id, reason, now, session)

        return await self._database.transaction(body)

    async def change(
        self, user: User, now: datetime, *, active: bool | None = None, time_zone: str | None = None
    ) -> User | None:
        """The user paused, back or elsewhere; nothing when it was erased meanwhile. A client's profile says where it is
        as well; a trainer's has the zone of its week."""

        async def body(session: ClientSession) -> User | None:
            changed = await self._users.change(user.id, active, time_zone, now, session=session)
            if time_zone is not None and user.role == "client":
                zone = {"timeZone": time_zone}
                await self._profiles.update(user.role, user.profile_id, zone, now, session=session)
            await self._list(user.role, user.profile_id, session)
            return changed

        return await self._database.transaction(body, hot=_hot(user))

    async def set_blocked(
        self, user: User, block: AccountBlock | None, now: datetime, audit: AuditWriter
    ) -> list[str] | None:
        """Block, or unblock with nothing; ids of the sessions ended, nothing when there is no such user.

        Unblocking ends sessions as well: a sign-in that overlapped the block may have begun one.
        """

        async def body(session: ClientSession) -> list[str] | None:
            before = await self._users.set_blocked(user.id, block, now, session=session)
            if before is None:
                return None
            was, is_now = {"isBlocked": before.is_blocked}, {"isBlocked": block is not None}
            await audit(was, is_now, session=session)
            await self._list(user.role, user.profile_id, session)
            return await self._end_all(user.id, "blocked", now, session)

        return await self._database.transaction(body, hot=_hot(user))

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
            await self._pending_erasures.add(user, now, session=session)
            await self._webhooks.add(of_user("user.erased", user, now), session=session)
            await self._list(user.role, user.profile_id, session)
            return await self._end_all(user.id, "erased", now, session)

        ended = await self._database.transaction(body, hot=_hot(user))
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

    async def of_sessions(self, session_ids: Collection[str]) -> list[tuple[User, Session]]:
        """Each session with its user."""
        sessions = await self._sessions.by_ids(session_ids)
        users = {user.id: user for user in await self._users.by_ids({one.user_id for one in sessions})}
        return [(users[one.user_id], one) for one in sessions if one.user_id in users]

    async def _list(self, role: Role, profile_id: str, session: ClientSession) -> None:
        """Trainers come and go in search with the state of their accounts."""
        if role == "trainer":
            await self._listings.refresh(profile_id, session=session)

    async def _end_all(self, user_id: str, reason: Reason, now: datetime, session: ClientSession) -> list[str]:
        ended = await self._sessions.revoke_all(user_id, reason, now, session=session)
        # Even when none stood: one may just be beginning, under what was true of the user until now.
        await self._revocations.add(user_id, None, reason, now, session=session)
        return ended


def _hot(user: User) -> tuple[Hot, ...]:
    """What others write of a user (an administrator) waits for what the user does, and is not failed by it."""
    return (OWN, f"user:{user.id}"), hot_profile(user.profile_id)
