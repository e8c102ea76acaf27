"""Verify an address: the code activates the registration that it was sent for."""

from __future__ import annotations

import hmac

import msgspec

from domain.account_answers import Tokens
from domain.accounts import invalid_code, next_password_change, normalised_email, require_may_sign_in
from domain.commands.auth import Verify
from domain.registrations import open_to_guess
from handlers.actor import Visitor
from handlers.auth.registering import profile_of
from handlers.auth.signing_in import present, sign_in
from handlers.context import Context


async def verify(context: Context, visitor: Visitor, command: Verify) -> Tokens:
    """Raises ``invalid_code``."""
    email = normalised_email(command.email)
    now = present(context)
    guess = context.secrets.keyed_hash("verify-code", f"{email}|{command.code}")
    known = await context.store.users.count_try(email, now)
    if known is None:
        await context.store.users.spend_a_write()
        raise invalid_code()
    matching = [one for one in open_to_guess(known.registrations, now) if hmac.compare_digest(one.code, guess)]
    if not matching:
        raise invalid_code()
    registration, former = matching[-1], known.user
    same_role = registration.role == former.role
    user = msgspec.structs.replace(
        former,
        role=registration.role,
        profile_id=former.profile_id if same_role else context.store.users.new_id(),
        password=registration.password,
        password_changed_at=next_password_change(former, now),
        is_verified=True,
        updated_at=now,
    )
    profile = profile_of(user, registration, now)
    if not await context.store.accounts.activate(user, former.role, registration, profile, former.profile_id):
        raise invalid_code()
    require_may_sign_in(user)
    return await sign_in(context, user, None, now)
