"""Sign out: here, there, everywhere. The devices signed in."""

from __future__ import annotations

from datetime import datetime

from domain.account_answers import Device, DevicePage
from domain.accounts import unauthenticated
from domain.commands.auth import EndSession, ListSessions
from domain.errors import not_found
from domain.instants import to_wire
from domain.revocations import Reason
from domain.sessions import Session
from handlers.actor import Actor
from handlers.auth.signing_in import present
from handlers.context import Context


async def logout(context: Context, actor: Actor, command: None) -> None:
    await end(context, actor.user_id, actor.session_id, "logout", present(context))


async def logout_all(context: Context, actor: Actor, command: None) -> None:
    ended = await context.store.accounts.end_all_sessions(actor.user_id, "logout_all", present(context))
    cut_each(context, actor.user_id, ended, "logout_all")


async def end_session(context: Context, actor: Actor, command: EndSession) -> None:
    """Raises ``not_found`` for another's session and for one that has ended."""
    if not await end(context, actor.user_id, command.id, "session_ended", present(context)):
        raise not_found("session")


async def list_sessions(context: Context, actor: Actor, command: ListSessions) -> DevicePage:
    """Newest first."""
    user = await context.store.users.by_id(actor.user_id)
    if user is None:
        raise unauthenticated()
    found = await context.store.sessions.live_of(
        actor.user_id, user.password_changed_at, present(context), before=command.cursor, limit=command.limit + 1
    )
    page = found[: command.limit]
    return DevicePage(
        items=[_device(session, actor) for session in page],
        next_cursor=page[-1].id if len(found) > command.limit else None,
    )


async def end(context: Context, user_id: str, session_id: str, reason: Reason, now: datetime) -> bool:
    """False when the user has no such session that still stands."""
    if not await context.store.accounts.end_session(user_id, session_id, reason, now):
        return False
    context.sockets.cut(user_id, reason, session_id)
    return True


def cut_each(context: Context, user_id: str, session_ids: list[str], reason: Reason) -> None:
    """Here and at once; every node, this one included, hears of the user from the database as well."""
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
