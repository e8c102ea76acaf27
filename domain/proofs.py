"""What proves a mailbox: registrations that wait for their code, and codes that reset a password.

Whoever types an address first need not own it. So a registration is a record of its own, known by a token that only
whoever registered has; its code was mailed to the address. Both together, of one registration, activate it, and nothing
else that is said about the address changes what they do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal

import msgspec

CODE_LIFETIME = timedelta(minutes=10)
# Guesses of one registration's six digits; only who has its token can make them.
MAX_TRIES = 5
# How long a registration may ask for its code anew, and how many mails it causes in all.
REGISTRATION_LIFETIME = timedelta(hours=24)
MAX_MAILS = 6

# Within so long the code that was mailed is mailed again: whoever asks takes nothing from what the owner is typing.
SAME_CODE = timedelta(minutes=5)
# Guesses of the six digits that reset a password: of one network while a code lives, of one network a day, and of
# everybody a day. Past these the link of the mail still counts. Three codes live at most, so that all guesses of a
# day hit with a probability of 3e-4.
GUESSES_OF_ONE, GUESSES_OF_ONE_A_DAY, GUESSES_OF_ALL_A_DAY = 5, 10, 100
GUESSES_COUNT_FOR = timedelta(hours=24)

# Passwords that networks which the owner never signed in from may try of one address, all together in an hour. A
# password that is taken stands more than a million guesses: a year of it.
STRANGERS_SIGN_INS = 100
SIGN_INS_COUNT_FOR = timedelta(hours=1)
# The owner's networks: so many, so long after the last sign-in from there.
KNOWN_NETWORKS = 20
NETWORK_KNOWN_FOR = timedelta(days=90)


class SignInTries(msgspec.Struct, frozen=True, kw_only=True):
    """Of one address, whether it has an account or not; ``known``: by network, when it was signed in from there."""

    tried_at: Sequence[datetime] = ()
    known: Mapping[str, datetime] = {}

    def wait(self, network: str, now: datetime) -> timedelta | None:
        """How long the network has to, by the tries *before* this one; ``store.sign_in_tries`` counts alike."""
        seen = self.known.get(network)
        if seen is not None and seen > now - NETWORK_KNOWN_FOR:
            return None
        counted = sorted(at for at in self.tried_at if at > now - SIGN_INS_COUNT_FOR)
        if len(counted) < STRANGERS_SIGN_INS:
            return None
        return counted[0] + SIGN_INS_COUNT_FOR - now


class Registration(msgspec.Struct, frozen=True, kw_only=True):
    """``id`` is the keyed hash of its token, ``nonce`` what its code and link are derived from, ``password`` an argon2
    hash, ``device`` the kind of device it came from, in words."""

    id: str
    email: str
    nonce: str
    expires_at: datetime
    tries: int = 0
    mails: int = 1
    password: str
    role: Literal["client", "trainer"]
    name: str
    time_zone: str | None
    device: str
    created_at: datetime


def takes_code(registration: Registration, now: datetime, *, link: bool) -> bool:
    """Whether a code (or a link) counts, by the tries *before* this one."""
    return registration.expires_at > now and (link or registration.tries < MAX_TRIES)


def is_pending(registration: Registration, now: datetime) -> bool:
    return registration.created_at + REGISTRATION_LIFETIME > now


class ResetCode(msgspec.Struct, frozen=True, kw_only=True):
    """A code is derived from its ``nonce``."""

    nonce: str
    expires_at: datetime


class Guess(msgspec.Struct, frozen=True, kw_only=True):
    """``network``: the keyed hash of where it came from."""

    network: str
    at: datetime


class PasswordReset(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked and guessed for one address, whether it has an account or not."""

    codes: Sequence[ResetCode] = ()
    guesses: Sequence[Guess] = ()

    def live(self, now: datetime) -> list[ResetCode]:
        return [one for one in self.codes if one.expires_at > now]

    def takes_guess(self, network: str, now: datetime) -> bool:
        """By the guesses *before* this one; ``store.password_resets`` counts by the same rule."""
        counted = [one for one in self.guesses if one.at > now - GUESSES_COUNT_FOR]
        own = [one for one in counted if one.network == network]
        recent = [one for one in own if one.at > now - CODE_LIFETIME]
        return (
            len(counted) < GUESSES_OF_ALL_A_DAY
            and len(own) < GUESSES_OF_ONE_A_DAY
            and len(recent) < GUESSES_OF_ONE
        )
