"""What every way of signing in ends with: a session and its tokens."""

from __future__ import annotations

from datetime import datetime

from domain.account_answers import SignedInUser, Tokens
from domain.accounts import User
from domain.instants import whole_milliseconds
from domain.sessions import LIFETIME, Session, proof_text
from handlers.context import Context


def present(context: Context) -> datetime:
    """The clock, cut to what MongoDB keeps."""
    return whole_milliseconds(context.clock())


def new_session(context: Context, user: User, device: str | None, now: datetime) -> Session:
    return Session(
        id=context.store.sessions.new_id(),
        user_id=user.id,
        device=device,
        nonce=context.secrets.random(),
        generation=0,
        rotated_at=now,
        password_changed_at=user.password_changed_at,
        created_at=now,
        last_used_at=now,
        expires_at=now + LIFETIME,
    )


async def sign_in(context: Context, user: User, device: str | None, now: datetime) -> Tokens:
    """Begin a session and answer its first tokens."""
    session = new_session(context, user, device, now)
    await context.store.sessions.insert(session)
    return tokens_of(context, user, session, session.generation, now)


def tokens_of(context: Context, user: User, session: Session, generation: int, now: datetime) -> Tokens:
    """Fresh access token, and the session's refresh token of that generation."""
    # Another node's clock may lag behind the one that changed the password.
    issued_at = max(now, user.password_changed_at or now)
    access_token, expires_in = context.tokens.issue(user, session.id, issued_at)
    proof = context.secrets.keyed_hash("refresh", proof_text(session.id, session.nonce, generation))
    return Tokens(
        access_token=access_token,
        refresh_token=f"{session.id}.{generation}.{proof}",
        expires_in=expires_in,
        user=signed_in_user(user),
    )


def signed_in_user(user: User) -> SignedInUser:
    return SignedInUser(
        id=user.id, email=user.email, role=user.role, profile_id=user.profile_id, is_verified=user.is_verified
    )
