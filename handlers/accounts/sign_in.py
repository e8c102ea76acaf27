"""Sign in with a password, and trade a refresh token for its successor; a stolen one ends the session.

An unknown address costs the same reads and the same work as a wrong password, and gets the same answer.
"""

from __future__ import annotations

import hmac
from datetime import datetime

import msgspec

from domain.accounts import (
    User,
    email_not_verified,
    invalid_credentials,
    normalised_email,
    require_may_sign_in,
    unauthenticated,
)
from domain.proofs import is_pending
from domain.sessions import (
    LIFETIME,
    RefreshToken,
    Session,
    Step,
    is_live,
    kind_of_device,
    networks_noted,
    parse_refresh_token,
    proof_text,
    refresh_step,
)
from domain.wire.accounts import Login, Refresh, Tokens
from handlers.access import Visitor
from handlers.accounts.registration import password_salt
from handlers.accounts.sessions import end, sign_in, tokens_of
from handlers.accounts.sign_in_tries import network_key, remember_network, require_try
from handlers.context import AccountContext


async def login(context: AccountContext, visitor: Visitor, command: Login) -> Tokens:
    """Raises ``rate_limited``, ``invalid_credentials``, ``email_not_verified`` or ``account_blocked``, the latter two
    only to somebody who knows the password."""
    email = normalised_email(command.email)
    await require_try(context, visitor, email, context.now())
    user = await context.store.users.by_email(email)
    hashed = user.password if user is not None else None
    made = await context.passwords.hash_like(hashed, password_salt(context, email), command.password)
    # Of every address: whoever registered is answered to verify, whether the address has an account already or not.
    pending = await context.store.registrations.with_password(email, made)
    now = context.now()
    if user is not None and hashed is not None and hmac.compare_digest(made, hashed):
        require_may_sign_in(user)
        await remember_network(context, visitor, email, now)
        user = await _with_todays_hash(context, user, hashed, command.password)
        return await sign_in(context, user, command.device, now, notify_from=kind_of_device(visitor.agent))
    if pending is not None and is_pending(pending, now):
        raise email_not_verified()
    raise invalid_credentials()


async def _with_todays_hash(context: AccountContext, user: User, hashed: str, password: str) -> User:
    if not context.passwords.is_outdated(hashed):
        return user
    renewed = await context.passwords.hash(password)
    await context.store.users.rehash(user.id, hashed, renewed)
    return msgspec.structs.replace(user, password=renewed)


async def refresh(context: AccountContext, visitor: Visitor, command: Refresh) -> Tokens:
    """Raises ``unauthenticated`` for a token that is forged, spent, revoked or expired."""
    now = context.now()
    token, session = await _session_of(context, command.refresh_token)
    user = await context.store.users.by_id(session.user_id)
    if user is None or user.is_deleted:
        raise unauthenticated("The refresh token is no longer valid.")
    require_may_sign_in(user)
    if not is_live(session, user, now):
        raise unauthenticated("The refresh token is no longer valid.")
    step = refresh_step(session, token.generation, now)
    if step is Step.REUSE:
        await end(context, session.user_id, session.id, "token_reuse", now)
        raise unauthenticated("The refresh token was used before; sign in again.")
    if step is Step.ROTATE:
        await _rotate(context, visitor, session, user, now)
    return tokens_of(context, user, session, token.generation + 1, now)


async def _session_of(context: AccountContext, text: str) -> tuple[RefreshToken, Session]:
    token = parse_refresh_token(text)
    session = await context.store.sessions.by_id(token.session_id) if token else None
    if token is None or session is None or token.generation > session.generation:
        raise unauthenticated("The refresh token is not valid.")
    proof = context.secrets.keyed_hash("refresh", proof_text(session.id, session.nonce, token.generation))
    if not hmac.compare_digest(proof, token.proof):
        raise unauthenticated("The refresh token is not valid.")
    return token, session


async def _rotate(context: AccountContext, visitor: Visitor, session: Session, user: User, now: datetime) -> None:
    """Whoever loses the race used the same current token at the same time: the successor is the same.

    The owner is at home where a device of the owner's is; that costs a write a day and network.
    """
    networks = networks_noted(session, network_key(context, visitor), now)
    if await context.store.sessions.rotate(session, now, now + LIFETIME, networks):
        if networks is not None:
            await remember_network(context, visitor, user.email, now)
        return
    again = await context.store.sessions.by_id(session.id)
    if again is None or not is_live(again, user, now):
        raise unauthenticated("The refresh token is no longer valid.")
