"""Change a password, or reset a forgotten one by a code and the token that it is traded for; which ones are taken."""

from __future__ import annotations

import msgspec

from domain.accounts import (
    User,
    invalid_code,
    invalid_credentials,
    next_password_change,
    normalised_email,
    unauthenticated,
)
from domain.errors import invalid
from domain.networks import network_of, site_of
from domain.proofs import CODE_LIFETIME
from domain.sessions import Reason
from domain.wire.accounts import (
    Accepted,
    ChangePassword,
    ForgotPassword,
    ResetPassword,
    ResetToken,
    Tokens,
    VerifyResetCode,
)
from handlers import mails
from handlers.access import Actor, Visitor
from handlers.accounts import codes
from handlers.accounts.sessions import cut_each, new_session, tokens_of
from handlers.accounts.sign_in_tries import remember_network
from handlers.context import AccountContext
from handlers.ports import Passwords
from store.store import Store

# How long a reset token waits for the new password.
RESET_TOKEN_LIFETIME = CODE_LIFETIME
_REASON: Reason = "password_changed"


async def forgot_password(context: AccountContext, visitor: Visitor, command: ForgotPassword) -> Accepted:
    """The same answer for every address, after the same reads and writes."""
    email = normalised_email(command.email)
    user = await context.store.users.by_email(email)
    asked = await context.store.password_resets.ask(_key(context, email), context.secrets.random(), context.now())
    mail = mails.reset_code(email, codes.of_reset(context, user, asked.codes[-1]), user.id if user else None)
    if user is not None:
        context.mailer.send(mail)
    return Accepted(status="reset_sent")


async def verify_reset_code(context: AccountContext, visitor: Visitor, command: VerifyResetCode) -> ResetToken:
    """Raises ``invalid_code``."""
    email = normalised_email(command.email)
    now = context.now()
    link, key = codes.is_link(command.code), _key(context, email)
    # By site: whoever has one would otherwise guess away what everybody together may in a day.
    network = context.secrets.keyed_hash("network", site_of(network_of(visitor.address)))
    reset = await context.store.password_resets.guess(key, network, now, counts=not link)
    user = await context.store.users.by_email(email)
    fitting = [one for one in reset.live(now) if codes.fits(codes.of_reset(context, user, one), command.code)]
    if user is None or not fitting or not (link or reset.takes_guess(network, now)):
        raise invalid_code()
    token = context.secrets.random()
    hashed = context.secrets.keyed_hash("reset-token", token)
    if not await context.store.password_resets.use(key, fitting[0]):
        raise invalid_code()
    if not await context.store.users.set_reset_token(user.id, hashed, now, RESET_TOKEN_LIFETIME):
        raise invalid_code()
    await remember_network(context, visitor, email, now)
    return ResetToken(reset_token=f"{user.id}.{token}")


async def reset_password(context: AccountContext, visitor: Visitor, command: ResetPassword) -> None:
    """Raises ``invalid_code``, or ``validation_failed`` for a weak password."""
    user_id, _, secret = command.reset_token.partition(".")
    token = context.secrets.keyed_hash("reset-token", secret)
    now = context.now()
    if not _is_id(user_id) or (user := await context.store.users.by_reset_token(user_id, token, now)) is None:
        raise invalid_code()
    # The token is still good for another one.
    await require_strong_of(context.store, context.passwords, user, command.password)
    hashed = await context.passwords.hash(command.password)
    changed_at = next_password_change(user, context.now())
    ended = await context.store.accounts.reset_password(user, hashed, changed_at, token)
    if ended is None:
        raise invalid_code()
    cut_each(context, user.id, ended, _REASON)
    context.mailer.send(mails.password_changed(user.email, user.id))


async def change_password(context: AccountContext, actor: Actor, command: ChangePassword) -> Tokens:
    """Raises ``invalid_credentials``, or ``validation_failed`` for a weak password.

    The caller's own session ends with the others and gets a successor.
    """
    user = await context.store.users.by_id(actor.user_id)
    if user is None:
        raise unauthenticated()
    if not await context.passwords.verify(user.password, command.current_password):
        raise invalid_credentials()
    await require_strong_of(context.store, context.passwords, user, command.new_password, field="newPassword")
    hashed = await context.passwords.hash(command.new_password)
    former = await context.store.sessions.by_id(actor.session_id)
    now = context.now()
    changed = msgspec.structs.replace(user, password=hashed, password_changed_at=next_password_change(user, now))
    session = new_session(context, changed, former.device if former else None, now)
    changed_at = changed.password_changed_at or now
    ended = await context.store.accounts.change_password(user, hashed, changed_at, session)
    if ended is None:
        raise invalid_credentials()
    cut_each(context, user.id, ended, _REASON)
    context.mailer.send(mails.password_changed(user.email, user.id))
    return tokens_of(context, changed, session, session.generation, now)


def _key(context: AccountContext, email: str) -> str:
    """Of an address, known or not, without keeping it."""
    return context.secrets.keyed_hash("reset", email)


def _is_id(text: str) -> bool:
    return len(text) == 24 and all(character in "0123456789abcdef" for character in text)


async def require_strong(passwords: Passwords, password: str, *own: str, field: str = "password") -> None:
    """``own``: what is known of its owner. Raises ``validation_failed``, saying why."""
    why = await passwords.weakness(password, own)
    if why is not None:
        raise invalid(field, why)


async def require_strong_of(
    store: Store, passwords: Passwords, user: User, password: str, *, field: str = "password"
) -> None:
    """The same for a user, whose name and address are guessed before anything else."""
    profile = await store.profiles.by_id(user.role, user.profile_id)
    own = (user.email, *([profile.name] if profile is not None else []))
    await require_strong(passwords, password, *own, field=field)
