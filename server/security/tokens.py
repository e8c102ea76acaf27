"""Access tokens: JWTs under one fixed algorithm, every claim required, and the actor behind one.

The actor is what the database holds now, not what the token stated when it was issued.
"""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import msgspec
from jwt.utils import base64url_decode, base64url_encode

from domain.accounts import User, require_may_sign_in, session_ended, unauthenticated
from domain.errors import Code, DomainError
from domain.presence import resumed
from domain.sessions import is_live
from handlers.access import Actor
from server.security.secrets import require_strong
from store.sessions import Sessions
from store.users import Users

ALGORITHM = "HS256"
LIFETIME = timedelta(seconds=900)
ISSUER = "spotter"
AUDIENCE = "spotter"
TYPE = "access"
MAX_LENGTH = 4096
# Nodes' clocks differ a little; a token from further ahead was not made by one of ours.
CLOCK_SKEW = timedelta(seconds=30)
_REQUIRED = ["exp", "iat", "sub", "aud", "iss", "typ", "sid"]
_ID = re.compile(r"[0-9a-f]{24}")


class Claims(msgspec.Struct, frozen=True, kw_only=True):
    user_id: str
    session_id: str
    generation: int
    issued_at: datetime
    expires_at: datetime


class AccessTokens:
    def __init__(self, jwt_secret: str) -> None:
        require_strong(jwt_secret)
        self._key = jwt_secret.encode()

    def issue(self, user: User, session_id: str, now: datetime, generation: int = 0) -> tuple[str, int]:
        """The signed token and its lifetime in seconds; ``iat`` and ``exp`` keep milliseconds.

        ``generation`` is that of the refresh token it is answered with.
        """
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "typ": TYPE,
            "sub": user.id,
            "sid": session_id,
            "gen": generation,
            "iat": _seconds(now),
            "exp": _seconds(now + LIFETIME),
        }
        return jwt.encode(claims, self._key, algorithm=ALGORITHM), int(LIFETIME.total_seconds())

    def read(self, token: str, now: datetime) -> Claims:
        """Raises ``token_expired``, or ``unauthenticated`` for everything else that is wrong with it."""
        if len(token) > MAX_LENGTH or not _is_canonical(token):
            raise _refused()
        try:
            # The times are checked below, against the clock we were given and to the millisecond.
            claims: dict[str, Any] = jwt.decode(
                token,
                self._key,
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                issuer=ISSUER,
                options={"require": _REQUIRED, "verify_exp": False, "verify_iat": False, "verify_nbf": False},
            )
        except (jwt.PyJWTError, UnicodeError, RecursionError):
            raise _refused() from None
        return _checked(claims, now)


def _checked(claims: dict[str, Any], now: datetime) -> Claims:
    user_id, session_id = claims["sub"], claims["sid"]
    if claims["typ"] != TYPE or not _is_id(user_id) or not _is_id(session_id):
        raise _refused()
    # Tokens of the version before have none.
    generation = claims.get("gen", 0)
    if isinstance(generation, bool) or not isinstance(generation, int):
        raise _refused()
    issued_at, expires_at = _instant(claims["iat"]), _instant(claims["exp"])
    if issued_at > now + CLOCK_SKEW:
        raise _refused()
    if expires_at <= now:
        raise DomainError(Code.TOKEN_EXPIRED, "The access token has expired; refresh it.")
    return Claims(
        user_id=user_id, session_id=session_id, generation=generation, issued_at=issued_at, expires_at=expires_at
    )


def _is_canonical(token: str) -> bool:
    """RFC 7515: base64url without padding. PyJWT takes padding, characters of no alphabet and spare bits too."""
    try:
        parts = token.encode("ascii").split(b".")
        return len(parts) == 3 and all(base64url_encode(base64url_decode(part)) == part for part in parts)
    except ValueError:
        return False


def _seconds(instant: datetime) -> float:
    return round(instant.timestamp(), 3)


def _instant(value: object) -> datetime:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _refused()
    try:
        return datetime.fromtimestamp(round(value * 1000) / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        raise _refused() from None


def _is_id(value: object) -> bool:
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def _refused() -> DomainError:
    return unauthenticated("The access token is not valid.")


class Authenticator:
    """REST asks on every request, the sockets when a namespace is connected or a token renewed."""

    def __init__(self, users: Users, sessions: Sessions, tokens: AccessTokens, clock: Callable[[], datetime]) -> None:
        self._users = users
        self._sessions = sessions
        self._tokens = tokens
        self._clock = clock

    def claims(self, token: str) -> Claims:
        """What the token itself states, by its signature alone, which costs no read.

        Raises ``token_expired`` or ``unauthenticated``.
        """
        return self._tokens.read(token, self._clock())

    async def authenticate(self, claims: Claims, address: str) -> tuple[Actor, datetime]:
        """The actor, and when its token runs out; costs two reads.

        Raises ``unauthenticated``, ``email_not_verified`` or ``account_blocked``.
        """
        now = self._clock()
        user, session = await asyncio.gather(self._users.by_id(claims.user_id), self._sessions.by_id(claims.session_id))
        if user is None or session is None or user.is_deleted:
            raise unauthenticated()
        require_may_sign_in(user)
        changed_at = user.password_changed_at
        if not is_live(session, user, now) or (changed_at is not None and claims.issued_at < changed_at):
            raise session_ended()
        if session.used_generation < claims.generation == session.generation:
            # Once a rotation: from here on the refresh token before is a stolen one.
            await self._sessions.note_use(session.id, claims.generation)
        actor = Actor(
            user_id=user.id,
            role=user.role,
            profile_id=user.profile_id,
            session_id=session.id,
            address=address,
            presence=resumed(session.presence, user.presence),
            choice=user.presence,
        )
        return actor, claims.expires_at

    async def actor(self, claims: Claims, address: str) -> Actor:
        """The actor alone."""
        return (await self.authenticate(claims, address))[0]
