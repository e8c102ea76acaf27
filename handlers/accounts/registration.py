"""Register, ask for the code again, verify. No answer shows whether an address is known, nor does its time: each
command does the same reads and writes for every address.
"""

from __future__ import annotations

from datetime import datetime

from domain.accounts import (
    User,
    invalid_code,
    normalised_email,
    require_may_sign_in,
    require_time_zone,
)
from domain.proofs import CODE_LIFETIME, Registration, takes_code
from domain.sessions import kind_of_device
from domain.wire.accounts import Accepted, Register, Registered, ResendCode, Tokens, Verify
from handlers import mails
from handlers.access import Visitor
from handlers.accounts import codes
from handlers.accounts.passwords import require_strong
from handlers.accounts.sessions import sign_in
from handlers.context import AccountContext
from store.profiles import NewProfile


async def register(context: AccountContext, visitor: Visitor, command: Register) -> Registered:
    """Keep the registration until its code comes back, together with the token that is answered.

    Raises ``validation_failed`` for a weak password.
    """
    email = normalised_email(command.email)
    if command.time_zone is not None:
        require_time_zone(command.time_zone)
    # By what was said alone, so that every address is answered alike.
    await require_strong(context.passwords, command.password, command.email, command.name)
    user = await context.store.users.by_email(email)
    # As if the address's user registered again, so that a login with this password has the answer of any other.
    like = user.password if user is not None else None
    hashed = await context.passwords.hash_like(like, password_salt(context, email), command.password)
    now = context.now()
    token = context.secrets.random()
    registration = Registration(
        id=_id_of(context, token),
        email=email,
        nonce=context.secrets.random(),
        expires_at=now + CODE_LIFETIME,
        password=hashed,
        role=command.role,
        name=command.name.strip(),
        time_zone=command.time_zone,
        device=kind_of_device(visitor.agent),
        created_at=now,
    )
    await context.store.registrations.insert(registration)
    invitation = mails.verification_code(registration, codes.of_registration(context, registration))
    context.mailer.send(invitation if user is None else mails.already_registered(registration, user.id))
    return Registered(status="verification_sent", registration_token=token)


async def resend_code(context: AccountContext, visitor: Visitor, command: ResendCode) -> Accepted:
    """A new code for the registration whose token this is."""
    email = normalised_email(command.email)
    now = context.now()
    user = await context.store.users.by_email(email)
    registration = await context.store.registrations.renew(
        _id_of(context, command.registration_token), email, context.secrets.random(), now, now + CODE_LIFETIME
    )
    if registration is not None:
        mail = mails.verification_code(registration, codes.of_registration(context, registration))
        if user is None:
            context.mailer.send(mail)
    return Accepted(status="verification_sent")


async def verify(context: AccountContext, visitor: Visitor, command: Verify) -> Tokens:
    """Raises ``invalid_code``."""
    email = normalised_email(command.email)
    now = context.now()
    link = codes.is_link(command.code)
    registration = await context.store.registrations.count_try(
        _id_of(context, command.registration_token), email, now, counts=not link
    )
    known = await context.store.users.by_email(email)
    if (
        registration is None
        or not codes.fits(codes.of_registration(context, registration), command.code)
        or not takes_code(registration, now, link=link)
        or known is not None
    ):
        raise invalid_code()
    user = user_of(context, registration, now)
    if not await context.store.accounts.activate(user, registration, profile_of(user, registration, now)):
        raise invalid_code()
    require_may_sign_in(user)
    return await sign_in(context, user, None, now)


def user_of(context: AccountContext, registration: Registration, now: datetime) -> User:
    """The account that the registration becomes."""
    return User(
        id=context.store.users.new_id(),
        email=registration.email,
        role=registration.role,
        profile_id=context.store.users.new_id(),
        password=registration.password,
        password_changed_at=now,
        is_verified=True,
        time_zone=registration.time_zone,
        created_at=now,
        updated_at=now,
    )


def profile_of(user: User, registration: Registration, now: datetime) -> NewProfile:
    return NewProfile(
        id=user.profile_id,
        user_id=user.id,
        name=registration.name,
        email=user.email,
        time_zone=registration.time_zone,
        created_at=now,
    )


def password_salt(context: AccountContext, email: str) -> str:
    """One an address: all registrations of a password have one hash, so that a login finds its own by hashing once."""
    return context.secrets.keyed_hash("salt", email)[:32]


def _id_of(context: AccountContext, token: str) -> str:
    return context.secrets.keyed_hash("registration", token)
