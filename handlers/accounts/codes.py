"""The two proofs that a mail carries: six digits for people to type, and the long token of its link.

Both are derived from what is stored under the server's key, so that neither is kept and both can be mailed again.
"""

from __future__ import annotations

import hmac
from typing import Literal

from domain.accounts import User
from domain.proofs import Registration, ResetCode
from domain.wire.fields import LINK_TOKEN_DIGITS
from handlers.context import AccountContext
from handlers.mails import Codes

_Purpose = Literal["verify", "reset"]


def of_registration(context: AccountContext, registration: Registration) -> Codes:
    return _derived(context, "verify", f"{registration.id}|{registration.nonce}")


def of_reset(context: AccountContext, user: User | None, code: ResetCode) -> Codes:
    """No longer the same once the password is changed; of nobody the same work."""
    whose = f"{user.id}|{user.password_changed_at}" if user is not None else "nobody"
    return _derived(context, "reset", f"{whose}|{code.nonce}")


def is_link(given: str) -> bool:
    return len(given) == LINK_TOKEN_DIGITS


def fits(codes: Codes, given: str) -> bool:
    return hmac.compare_digest(codes.link if is_link(given) else codes.digits, given)


def _derived(context: AccountContext, purpose: _Purpose, value: str) -> Codes:
    return Codes(
        digits=context.secrets.six_digits(f"{purpose}-code", value),
        link=context.secrets.keyed_hash(f"{purpose}-link", value)[:LINK_TOKEN_DIGITS],
    )
