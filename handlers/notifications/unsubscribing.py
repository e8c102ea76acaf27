"""One click in a mail ends mails of its kind (RFC 8058): whoever has the mail has the link, and needs no token."""

from __future__ import annotations

import hmac

from domain.errors import not_found
from domain.notifications import KINDS, KindName, NotificationKind
from domain.wire.notifications import Unsubscribe
from handlers.access import Visitor
from handlers.context import MailedContext
from handlers.ports import Secrets
from store.store import Store

_PURPOSE = "unsubscribe"


async def unsubscribe_path(store: Store, secrets: Secrets, user_id: str, kind: KindName) -> str | None:
    """Where mails of the kind end; nothing when the user does not want them as it is."""
    if not (await store.notification_preferences.of(user_id)).wants(kind, "mail"):
        return None
    return path_of(secrets, user_id, kind)


def path_of(secrets: Secrets, user_id: str, kind: KindName) -> str:
    return f"/v1/unsubscribe/{user_id}.{kind}.{_proof(secrets, user_id, kind)}"


async def ask_unsubscribe(context: MailedContext, visitor: Visitor, command: Unsubscribe) -> NotificationKind:
    """What would end; nothing does yet, as programs open links that nobody clicked. Raises ``not_found``."""
    _, kind = _named(context, command)
    return kind


async def unsubscribe(context: MailedContext, visitor: Visitor, command: Unsubscribe) -> NotificationKind:
    """No more mails of that kind. Raises ``not_found``."""
    user_id, kind = _named(context, command)
    user = await context.store.users.by_id(user_id)
    # An erased account is told nothing more, and keeps no choices.
    if user is not None and not user.is_deleted:
        await context.store.notification_preferences.turn_off(user_id, kind.name, "mail", context.now())
    return kind


def _named(context: MailedContext, command: Unsubscribe) -> tuple[str, NotificationKind]:
    user_id, name, proof = command.token.split(".")
    kind = next((one for one in KINDS if one.name == name and not one.fixed), None)
    if kind is None:
        raise not_found("kind of mail")
    if not hmac.compare_digest(proof, _proof(context.secrets, user_id, kind.name)):
        raise not_found("kind of mail")
    return user_id, kind


def _proof(secrets: Secrets, user_id: str, kind: KindName) -> str:
    return secrets.keyed_hash(_PURPOSE, f"{user_id}.{kind}")
