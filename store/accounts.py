"""What touches a user, its profile and its sessions at once: one transaction each."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from pymongo.errors import DuplicateKeyError

from domain.accounts import AccountBlock, Role, User
from domain.proofs import Registration
from domain.sessions import Reason, Session
from domain.webhooks import of_user
from store.audit import AuditWriter
from store.database import OWN, ClientSession, Database, Hot
from store.failures import repository
from store.listings import Listings
from store.listings import hot as hot_profile
from store.profiles import NewProfile, Profiles
from store.registrations import Registrations
from store.revocations import Revocations
from store.sessions import Sessions
from store.users import Users
from store.webhook_deliveries import WebhookDeliveries


@repository
class Accounts:
    def __init__(
        self,
        database: Database,
        users: Users,
        profiles: Profiles,
        sessions: Sessions,
        revocations: Revocations,
        listings: Listings,
        registrations: Registrations,
        webhooks: WebhookDeliveries,
    ) -> None:
        self._database = database
        self._users = users
        self._profiles = profiles
        self._sessions = sessions
        self._revocations = revocations
        self._listings = listings
        self._registrations = registrations
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
            return await self._database.transaction(body, hot=hot(user))
        except DuplicateKeyError:
            return False

    async def _insert(self, user: User, profile: NewProfile, session: ClientSession) -> None:
        await self._users.insert(user, session=session)
        await self._profiles.insert(user.role, profile, session=session)
        await self.refresh_listing(user.role, user.profile_id, session=session)

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
            ended = await self.end_all(user.id, "password_changed", changed_at, session=session)
            if new is not None:
                await self._sessions.insert(new, session=session)
            return ended

        return await self._database.transaction(body, hot=hot(user))

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
            return await self.end_all(user_id, reason, now, session=session)

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
            await self.refresh_listing(user.role, user.profile_id, session=session)
            return changed

        return await self._database.transaction(body, hot=hot(user))

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
            await self.refresh_listing(user.role, user.profile_id, session=session)
            return await self.end_all(user.id, "blocked", now, session=session)

        return await self._database.transaction(body, hot=hot(user))

    async def of_sessions(self, session_ids: Collection[str]) -> list[tuple[User, Session]]:
        """Each session with its user."""
        sessions = await self._sessions.by_ids(session_ids)
        users = {user.id: user for user in await self._users.by_ids({one.user_id for one in sessions})}
        return [(users[one.user_id], one) for one in sessions if one.user_id in users]

    async def refresh_listing(self, role: Role, profile_id: str, *, session: ClientSession) -> None:
        """Trainers come and go in search with the state of their accounts."""
        if role == "trainer":
            await self._listings.refresh(profile_id, session=session)

    async def end_all(self, user_id: str, reason: Reason, now: datetime, *, session: ClientSession) -> list[str]:
        """As ``end_all_sessions``, with what else the transaction writes."""
        ended = await self._sessions.revoke_all(user_id, reason, now, session=session)
        # Even when none stood: one may just be beginning, under what was true of the user until now.
        await self._revocations.add(user_id, None, reason, now, session=session)
        return ended


def hot(user: User) -> tuple[Hot, ...]:
    """What others write of a user (an administrator) waits for what the user does, and is not failed by it."""
    return (OWN, f"user:{user.id}"), hot_profile(user.profile_id)
