"""Sign in with a password. An unknown address costs the same work and hears the same answer as a wrong password."""

from __future__ import annotations

import msgspec

from domain.account_answers import Tokens
from domain.accounts import User, invalid_credentials, normalised_email, require_may_sign_in
from domain.commands.auth import Login
from domain.registrations import newest_password
from handlers.actor import Visitor
from handlers.auth.signing_in import present, sign_in
from handlers.context import Context


async def login(context: Context, visitor: Visitor, command: Login) -> Tokens:
    """Raises ``invalid_credentials``, ``email_not_verified`` or ``account_blocked``, the latter two only
    to somebody who knows the password."""
    known = await context.store.users.by_email(normalised_email(command.email))
    hashed = None
    if known is not None:
        hashed = known.user.password if known.user.is_verified else newest_password(known.registrations)
    if not await context.passwords.verify(hashed, command.password) or known is None or hashed is None:
        raise invalid_credentials()
    require_may_sign_in(known.user)
    user = await _with_todays_hash(context, known.user, hashed, command.password)
    return await sign_in(context, user, command.device, present(context))


async def _with_todays_hash(context: Context, user: User, hashed: str, password: str) -> User:
    if not context.passwords.is_outdated(hashed):
        return user
    renewed = await context.passwords.hash(password)
    await context.store.users.rehash(user.id, hashed, renewed)
    return msgspec.structs.replace(user, password=renewed)
