"""The mails that leave: pure composition, one function a mail."""

from __future__ import annotations

import msgspec

from domain.bookings import Booking, wall_times


class Mail(msgspec.Struct, frozen=True, kw_only=True):
    """``to`` is one address; ``text`` is the plain part, ``html`` an optional twin.

    ``key`` names a mail that may be handed in again after a crash, by any node: each time it is the same message. It
    must hold something that nobody can guess.
    """

    to: str
    subject: str
    text: str
    html: str | None = None
    key: str | None = None


def verification_code(to: str, code: str) -> Mail:
    return _with_code(
        to,
        "Your Spotter code",
        "Welcome to Spotter. Confirm your e-mail address with this code:",
        code,
        "It is good for 10 minutes. If you did not register, do nothing: without the code nothing happens.",
    )


def mailbox_code(to: str, code: str) -> Mail:
    """For somebody whose registration cannot be told from another's: the code activates no password."""
    return _with_code(
        to,
        "Your Spotter code",
        "Confirm your e-mail address with this code:",
        code,
        "It is good for 10 minutes. This address was registered more than once, so the code signs you in without"
        " activating any of the passwords; choose one with “Forgot password” afterwards.",
    )


def reset_code(to: str, code: str) -> Mail:
    return _with_code(
        to,
        "Reset your Spotter password",
        "Somebody, we hope you, asked to reset your password. The code:",
        code,
        "It is good for 10 minutes. If it was not you, do nothing: your password stays.",
    )


def already_registered(to: str) -> Mail:
    return Mail(
        to=to,
        subject="You already have a Spotter account",
        text=(
            "Somebody, we hope you, registered this address again. You already have an account: sign in with your"
            " password, or reset it with “Forgot password”.\n\nIf it was not you, do nothing.\n"
        ),
    )


def password_changed(to: str) -> Mail:
    return Mail(
        to=to,
        subject="Your Spotter password was changed",
        text=(
            "Your password was changed and every device was signed out.\n\n"
            "If it was not you, reset it at once with “Forgot password”.\n"
        ),
    )


def session_reminder(to: str, booking: Booking, other: str, hours: int) -> Mail:
    """``other``: whom the recipient meets."""
    wall = wall_times(booking)
    when = f"{wall.date}, {wall.start_time}-{wall.end_time} ({booking.time_zone})"
    soon = "tomorrow" if hours == 24 else "in an hour"
    return Mail(
        to=to,
        subject=f"Your session {soon}",
        text=f"Your session with {' '.join(other.split())} begins {soon}:\n\n{when}\n",
        key=f"reminder {booking.id} {booking.starts_at.isoformat()} {hours} {to}",
    )


def _with_code(to: str, subject: str, before: str, code: str, after: str) -> Mail:
    # The code stands alone on its line: people copy it, programs find it.
    return Mail(to=to, subject=subject, text=f"{before}\n\n{code}\n\n{after}\n")
