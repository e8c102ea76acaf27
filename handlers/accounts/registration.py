"""Register, ask for the code again, verify. The answers never tell whether an address is known."""

from __future__ import annotations

import hmac
from datetime import datetime

import msgspec

from domain.accounts import (
    CODE_LIFETIME,
    Registration,
    User,
    invalid_code,
    next_password_change,
    normalised_email,
    open_to_guess,
    require_may_sign_in,
    require_time_zone,
    resend,
    with_registration,
)
from domain.errors import unavailable
from domain.wire.accounts import Accepted, Register, ResendCode, Tokens, Verify
from handlers import mails
from handlers.access import Visitor
from handlers.accounts.sessions import sign_in
from handlers.context import AccountContext
from store.profiles import NewProfile

_ACCEPTED = Accepted(status="verification_sent")
# Rounds against others who register the same address at the same moment.
_ROUNDS = 8


async def register(context: AccountContext, visitor: Visitor, command: Register) -> Accepted:
    """Keep the registration until its code comes back."""
    email = normalised_email(command.email)
    require_time_zone(command.time_zone)
    # One salt an address: the same password gives the same hash, so that a repeat is recognised without
    # verifying it against each pending one, which would take longer for a known address.
    hashed = await context.passwords.hash(command.password, context.secrets.keyed_hash("salt", email)[:32])
    now = context.now()
    code = context.secrets.six_digits()
    registration = Registration(
        id=context.secrets.random(),
        code=_code_hash(context, email, code),
        expires_at=now + CODE_LIFETIME,
        password=hashed,
        role=command.role,
        name=command.name.strip(),
        time_zone=command.time_zone,
        requester=requester(context, visitor),
        created_at=now,
    )
    if await _keep(context, email, registration, now):
        context.mailer.send(mails.verification_code(email, code))
    else:
        await context.store.users.equalise_timing()
        context.mailer.send(mails.already_registered(email))
    return _ACCEPTED


async def resend_code(context: AccountContext, visitor: Visitor, command: ResendCode) -> Accepted:
    """A new code for the asker's own registration; for nobody's password when that cannot be told."""
    email = normalised_email(command.email)
    now = context.now()
    for _ in range(_ROUNDS):
        known = await context.store.users.by_email(email)
        if known is None or known.user.is_verified or not known.registrations:
            await context.store.users.equalise_timing()
            return _ACCEPTED
        code = context.secrets.six_digits()
        pending, target = resend(
            known.registrations,
            requester=requester(context, visitor),
            code=_code_hash(context, email, code),
            new_id=context.secrets.random(),
            now=now,
        )
        if await context.store.users.replace_registrations(known, pending, now):
            compose = mails.mailbox_code if target.password is None else mails.verification_code
            context.mailer.send(compose(email, code))
            return _ACCEPTED
    raise unavailable()


def requester(context: AccountContext, visitor: Visitor) -> str:
    """Who asks, without keeping the address itself."""
    return context.secrets.keyed_hash("requester", visitor.address)


async def _keep(context: AccountContext, email: str, registration: Registration, now: datetime) -> bool:
    """False when the address is verified already."""
    for _ in range(_ROUNDS):
        known = await context.store.users.by_email(email)
        if known is None:
            if await _create(context, email, registration, now):
                return True
        elif known.user.is_verified:
            return False
        else:
            pending = with_registration(known.registrations, registration)
            if await context.store.users.replace_registrations(known, pending, now):
                return True
    raise unavailable()


async def _create(context: AccountContext, email: str, registration: Registration, now: datetime) -> bool:
    user_id, profile_id = context.store.users.new_id(), context.store.users.new_id()
    user = User(
        id=user_id,
        email=email,
        role=registration.role,
        profile_id=profile_id,
        password=None,
        created_at=now,
        updated_at=now,
    )
    return await context.store.accounts.create(user, profile_of(user, registration, now), [registration])


def profile_of(user: User, registration: Registration, now: datetime) -> NewProfile:
    return NewProfile(
        id=user.profile_id,
        user_id=user.id,
        name=registration.name,
        email=user.email,
        time_zone=registration.time_zone,
        created_at=now,
    )


def _code_hash(context: AccountContext, email: str, code: str) -> str:
    return context.secrets.keyed_hash("verify-code", f"{email}|{code}")


async def verify(context: AccountContext, visitor: Visitor, command: Verify) -> Tokens:
    """Raises ``invalid_code``."""
    email = normalised_email(command.email)
    now = context.now()
    guess = context.secrets.keyed_hash("verify-code", f"{email}|{command.code}")
    known = await context.store.users.count_try(email, now)
    if known is None:
        await context.store.users.equalise_timing()
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
