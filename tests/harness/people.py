"""Users as registration would have made them, without the mail."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.accounts import Role, User
from domain.messages import MessageRecord
from domain.sessions import LIFETIME, Session
from domain.times import whole_milliseconds
from server.security.tokens import AccessTokens
from store.audit import unrecorded
from store.profiles import NewProfile
from store.store import Store


@dataclass(frozen=True)
class Person:
    id: str
    role: Role
    email: str
    token: str
    session_id: str


class People:
    """Makes users straight in the store; their tokens are as good as any."""

    def __init__(self, store: Store, tokens: AccessTokens, clock: Callable[[], datetime]) -> None:
        self._store, self._tokens, self._clock = store, tokens, clock

    async def make(self, role: Role = "client", *, name: str | None = None, verified: bool = True) -> Person:
        now = whole_milliseconds(self._clock())
        mark = secrets.token_hex(6)
        user = User(
            id=self._store.users.new_id(),
            email=f"{mark}@people.test",
            role=role,
            profile_id=self._store.users.new_id(),
            password=None,
            is_verified=verified,
            created_at=now,
            updated_at=now,
        )
        profile = NewProfile(
            id=user.profile_id,
            user_id=user.id,
            name=name or f"{role} {mark}",
            email=user.email,
            time_zone="UTC",
            created_at=now,
        )
        assert await self._store.accounts.create(user, profile, unrecorded)
        token, session_id = await self.sign_in(user)
        return Person(user.id, role, user.email, token, session_id)

    async def sign_in(self, user: User, *, lasting: timedelta = LIFETIME) -> tuple[str, str]:
        """A new session's access token, and the session's id."""
        now = whole_milliseconds(self._clock())
        session = Session(
            id=self._store.sessions.new_id(),
            user_id=user.id,
            device=None,
            nonce=secrets.token_urlsafe(32),
            generation=0,
            rotated_at=now,
            password_changed_at=user.password_changed_at,
            created_at=now,
            last_used_at=now,
            expires_at=now + lasting,
        )
        await self._store.sessions.insert(session)
        return self._tokens.issue(user, session.id, now)[0], session.id

    async def another_device(self, person: Person) -> Person:
        """The same user, signed in once more."""
        user = await self._store.users.by_id(person.id)
        assert user is not None
        token, session_id = await self.sign_in(user)
        return Person(person.id, person.role, person.email, token, session_id)

    async def pair(self, *, begun: bool = False) -> tuple[Person, Person, str]:
        """A client, a trainer and the id of their conversation, which both have opened; ``begun``: with an entry."""
        client, trainer = await self.make("client"), await self.make("trainer")
        return client, trainer, await (self.acquaint if begun else self.open)(client.id, trainer.id)

    async def acquaint(self, one_id: str, other_id: str) -> str:
        """The id of a conversation of theirs that has begun: they share it, and see each other's presence."""
        conversation, now = await self.open(one_id, other_id), whole_milliseconds(self._clock())
        hello = MessageRecord(
            id=self._store.log.new_id(),
            conversation_id=conversation,
            sender_id=one_id,
            client_message_id=secrets.token_hex(6),
            text="hello",
            created_at=now,
            updated_at=now,
        )
        await self._store.log.append_message(hello, lambda record: None)
        return conversation

    async def open(self, one_id: str, other_id: str) -> str:
        """The id of their conversation, which both have opened."""
        now = whole_milliseconds(self._clock())
        await self._store.conversations.open(other_id, one_id, now)
        return (await self._store.conversations.open(one_id, other_id, now)).membership.conversation_id
