"""From an access token to the actor behind it, by what the database says now."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

from domain.accounts import require_may_sign_in, session_ended, unauthenticated
from domain.sessions import is_live
from handlers.actor import Actor
from server.security.tokens import AccessTokens, Claims
from store.sessions import Sessions
from store.users import Users


class Authenticator:
    """REST asks on every request, the sockets when a namespace is connected or a token renewed."""

    def __init__(self, users: Users, sessions: Sessions, tokens: AccessTokens, clock: Callable[[], datetime]) -> None:
        self._users = users
        self._sessions = sessions
        self._tokens = tokens
        self._clock = clock

    def claims(self, token: str) -> Claims:
        """What the token itself says, checked by its signature alone; raises as ``authenticate`` does."""
        return self._tokens.read(token, self._clock())

    async def authenticate(self, token: str, address: str) -> tuple[Actor, datetime]:
        """The actor, and when its token runs out.

        Raises ``token_expired``, ``unauthenticated``, ``email_not_verified`` or ``account_blocked``.
        """
        now = self._clock()
        claims = self._tokens.read(token, now)
        user, session = await asyncio.gather(self._users.by_id(claims.user_id), self._sessions.by_id(claims.session_id))
        if user is None or session is None or user.is_deleted:
            raise unauthenticated()
        require_may_sign_in(user)
        changed_at = user.password_changed_at
        if not is_live(session, user, now) or (changed_at is not None and claims.issued_at < changed_at):
            raise session_ended()
        actor = Actor(
            user_id=user.id,
            role=user.role,
            profile_id=user.profile_id,
            session_id=session.id,
            address=address,
            presence=session.presence,
        )
        return actor, claims.expires_at

    async def actor(self, token: str, address: str) -> Actor:
        """The actor alone."""
        return (await self.authenticate(token, address))[0]
