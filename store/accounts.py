"""What touches a user, its profile and its sessions at once: one transaction each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pymongo.errors import DuplicateKeyError

from domain.accounts import Role, User
from domain.registrations import Registration
from domain.sessions import Session
from store.database import Database
from store.database import Session as DatabaseSession
from store.failures import repository
from store.profiles import NewProfile, Profiles
from store.sessions import Sessions
from store.users import Users


@repository
class Accounts:
    def __init__(self, database: Database, users: Users, profiles: Profiles, sessions: Sessions) -> None:
        self._database = database
        self._users = users
        self._profiles = profiles
        self._sessions = sessions

    async def create(self, user: User, profile: NewProfile, pending: Sequence[Registration] = ()) -> bool:
        """User and profile, both or none; false when the address is taken."""

        async def body(session: DatabaseSession) -> None:
            await self._users.insert(user, pending, session=session)
            await self._profiles.insert(user.role, profile, session=session)

        try:
            await self._database.transaction(body)
        except DuplicateKeyError:
            return False
        return True

    async def activate(
        self, user: User, former_role: Role, registration: Registration, profile: NewProfile, former_profile_id: str
    ) -> bool:
        """The user as the registration has it, with its profile; false when the code was used meanwhile."""

        async def body(session: DatabaseSession) -> bool:
            if not await self._users.activate(user, registration, session=session):
                return False
            if user.role == former_role:
                await self._profiles.rename(user.role, profile, session=session)
            else:
                await self._profiles.delete(former_role, former_profile_id, session=session)
                await self._profiles.insert(user.role, profile, session=session)
            return True

        return await self._database.transaction(body)

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
        async def body(session: DatabaseSession) -> list[str] | None:
            if not await self._users.set_password(user, password, changed_at, proof=proof, session=session):
                return None
            ended = await self._sessions.revoke_all(user.id, "password_changed", changed_at, session=session)
            if new is not None:
                await self._sessions.insert(new, session=session)
            return ended

        return await self._database.transaction(body)
