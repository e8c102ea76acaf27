"""Sessions and their tokens: what every way of signing in ends with, signing out, the devices signed in."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial

from domain.accounts import User, unauthenticated
from domain.errors import not_found
from domain.sessions import LIFETIME, Reason, Session, proof_text
from domain.times import to_wire
from domain.wire.accounts import Device, DevicePage, EndSession, ListSessions, SignedInUser, Tokens
from domain.wire.pages import IdCursor, decode_id_cursor, page_of
from handlers import mails
from handlers.access import Actor
from handlers.context import AccountContext
from handlers.jobs import SIGN_IN_NOTICES, Job, Postponed
from store.work_queue import WorkRow


def new_session(context: AccountContext, user: User, device: str | None, now: datetime) -> Session:
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


async def sign_in(
    context: AccountContext, user: User, device: str | None, now: datetime, *, notify_from: str | None = None
) -> Tokens:
    """Begin a session and answer its first tokens. ``notify_from``: the kind of device, if its owner is to be notified
    of it by mail."""
    session = new_session(context, user, device, now)
    await context.store.sessions.insert(session, notify_from=notify_from)
    if notify_from is not None:
        context.wake_ups.wake(SIGN_IN_NOTICES)
    return tokens_of(context, user, session, session.generation, now)


def tokens_of(context: AccountContext, user: User, session: Session, generation: int, now: datetime) -> Tokens:
    """Fresh access token, and the session's refresh token of that generation."""
    # Another node's clock may lag behind the one that changed the password.
    issued_at = max(now, user.password_changed_at or now)
    access_token, expires_in = context.tokens.issue(user, session.id, issued_at, generation)
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


def sign_in_notices_job(context: AccountContext) -> Job:
    """Mails of new sign-ins; the row is the session itself, so that neither is there without the other."""
    return Job(SIGN_IN_NOTICES, context.store.sessions.notices, partial(_notify, context), poll=timedelta(seconds=5))


async def _notify(context: AccountContext, claimed: WorkRow) -> None:
    session, kind = context.store.sessions.notice_of(claimed)
    user = await context.store.users.by_id(session.user_id)
    if user is None or user.is_deleted:
        return
    # Nobody can guess its nonce: each try is the same message.
    key = context.secrets.keyed_hash("sign-in-mail", session.nonce)
    mail = mails.new_sign_in(user.email, session, kind, key, user.time_zone)
    if not await context.mailer.deliver(mail):
        raise Postponed


async def logout(context: AccountContext, actor: Actor, command: None) -> None:
    await end(context, actor.user_id, actor.session_id, "logout", context.now())


async def logout_all(context: AccountContext, actor: Actor, command: None) -> None:
    ended = await context.store.accounts.end_all_sessions(actor.user_id, "logout_all", context.now())
    cut_each(context, actor.user_id, ended, "logout_all")


async def end_session(context: AccountContext, actor: Actor, command: EndSession) -> None:
    """Raises ``not_found`` for another's session and for one that has ended."""
    if not await end(context, actor.user_id, command.id, "session_ended", context.now()):
        raise not_found("session")


async def list_sessions(context: AccountContext, actor: Actor, command: ListSessions) -> DevicePage:
    """Newest first."""
    user = await context.store.users.by_id(actor.user_id)
    if user is None:
        raise unauthenticated()
    before, limit = decode_id_cursor(command.cursor), command.limit + 1
    found = await context.store.sessions.live_of(
        actor.user_id, user.password_changed_at, context.now(), before=before, limit=limit
    )
    page, cursor = page_of(found, command.limit, lambda one: IdCursor(one.id))
    return DevicePage(items=[_device(session, actor) for session in page], next_cursor=cursor)


async def end(context: AccountContext, user_id: str, session_id: str, reason: Reason, now: datetime) -> bool:
    """False when the user has no such live session."""
    if not await context.store.accounts.end_session(user_id, session_id, reason, now):
        return False
    context.sockets.cut(user_id, reason, session_id)
    return True


def cut_each(context: AccountContext, user_id: str, session_ids: list[str], reason: Reason) -> None:
    """Here and at once; every node, this one included, receives the revocation from the database as well."""
    for session_id in session_ids:
        context.sockets.cut(user_id, reason, session_id)


def _device(session: Session, actor: Actor) -> Device:
    return Device(
        id=session.id,
        device=session.device,
        current=session.id == actor.session_id,
        created_at=to_wire(session.created_at),
        last_used_at=to_wire(session.last_used_at),
        expires_at=to_wire(session.expires_at),
    )
