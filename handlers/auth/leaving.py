"""Sign out: here, there, everywhere. The devices signed in."""

from __future__ import annotations

from domain.account_answers import Device, DevicePage
from domain.accounts import unauthenticated
from domain.commands.auth import EndSession, ListSessions
from domain.errors import not_found
from domain.instants import to_wire
from domain.sessions import Session
from handlers.actor import Actor
from handlers.auth.signing_in import present
from handlers.context import Context


async def logout(context: Context, actor: Actor, command: None) -> None:
    if await context.store.sessions.revoke(actor.user_id, actor.session_id, "logout", present(context)):
        context.sockets.cut(actor.user_id, "logout", actor.session_id)


async def logout_all(context: Context, actor: Actor, command: None) -> None:
    ended = await context.store.sessions.revoke_all(actor.user_id, "logout", present(context))
    cut_each(context, actor.user_id, ended, "logout")


async def end_session(context: Context, actor: Actor, command: EndSession) -> None:
    """Raises ``not_found`` for another's session and for one that has ended."""
    if not await context.store.sessions.revoke(actor.user_id, command.id, "session_ended", present(context)):
        raise not_found("session")
    context.sockets.cut(actor.user_id, "session_ended", command.id)


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


def cut_each(context: Context, user_id: str, session_ids: list[str], reason: str) -> None:
    """One by one: a cut of everything could overtake the user's next session on another node."""
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
