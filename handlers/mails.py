"""The mails that leave: pure composition, one function a mail."""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec

from domain.accounts import Role
from domain.bookings import Action, Booking, Party
from domain.proofs import Registration
from domain.sessions import Session

# Of a name that somebody gave in another's mail.
MAX_NAME = 60


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


class Codes(msgspec.Struct, frozen=True, kw_only=True):
    """Six digits to type, and the token of a link."""

    digits: str
    link: str


def verification_code(registration: Registration, codes: Codes) -> Mail:
    return _with_code(
        registration.email,
        "Your Spotter code",
        "Welcome to Spotter. Confirm your e-mail address with this code:",
        codes,
        "verify",
        f"It is good for 10 minutes, and for this registration only: {_described(registration)}\n\n"
        "Is that not yours? Then do nothing: without the code nothing happens. If you registered yourself, the code"
        " that goes with it came in another mail.",
    )


def reset_code(to: str, codes: Codes) -> Mail:
    return _with_code(
        to,
        "Reset your Spotter password",
        "Somebody, we hope you, asked to reset your password. The code:",
        codes,
        "reset",
        "It is good for 10 minutes. If it was not you, do nothing: your password stays.",
    )


def already_registered(registration: Registration) -> Mail:
    return Mail(
        to=registration.email,
        subject="You already have a Spotter account",
        text=(
            f"Somebody, we hope you, registered this address again: {_described(registration)}\n\n"
            "You already have an account: sign in with your password, or reset it with “Forgot password”.\n\n"
            "If it was not you, do nothing.\n"
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


def new_sign_in(to: str, session: Session, kind: str, key: str) -> Mail:
    """``kind`` of device, one of a few constants; what the device calls itself is not repeated, anybody may write it.

    The link opens the list of devices in the app, which ends the session for whoever is signed in.
    """
    at = session.created_at.strftime("%Y-%m-%d %H:%M UTC")
    return Mail(
        to=to,
        subject="New sign-in to Spotter",
        text=(
            f"Your account was signed in to from {kind}, at {at}.\n\n"
            "If it was you, there is nothing to do. If it was not, end this session:\n\n"
            f"spotter://sessions/{session.id}\n\n"
            "and reset your password with “Forgot password”, which signs every device out.\n"
        ),
        key=f"sign-in {key}",
    )


def export_ready(to: str, kept: timedelta, key: str) -> Mail:
    """Without a link to the archive: whoever reads the mail need not be who asked for it."""
    return Mail(
        to=to,
        subject="Your Spotter data is ready",
        text=(
            "The archive of everything that Spotter holds about you is ready. Fetch it in the app, under your account,"
            f" within {kept.days} {'day' if kept.days == 1 else 'days'}.\n\n"
            "If you did not ask for it, change your password: somebody who was signed in to your account did.\n"
        ),
        key=f"export {key}",
    )


class Addressee(msgspec.Struct, frozen=True, kw_only=True):
    """Who gets a mail about a session, or whom it is about; ``time_zone`` is where the person is."""

    email: str
    name: str
    role: Role
    time_zone: str


Span = tuple[datetime, datetime]


def session_reminder(to: Addressee, other: Addressee, booking: Booking, hours: int) -> Mail:
    """``other``: whom the recipient meets."""
    soon = "tomorrow" if hours == 24 else "in an hour"
    when = _when((booking.starts_at, booking.ends_at), to, other)
    return Mail(
        to=to.email,
        subject=f"Your session {soon}",
        text=f"Your session with {_known_as(other)} begins {soon}:\n\n{when}\n",
        key=f"reminder {booking.id} {booking.starts_at.isoformat()} {hours} {to.email}",
    )


_CHANGED: dict[Action, str] = {"rescheduled": "was moved", "cancelled": "was cancelled"}


def booking_changed(
    to: Addressee, other: Addressee, action: Action, by: Party | None, span: Span, previous: Span | None, *, key: str
) -> Mail:
    """What was made, moved or cancelled, to one of the parties; ``previous``: the time it had before."""
    what = _CHANGED.get(action, "is booked")
    text = f"Your session with {_known_as(other)} {what}"
    if by is not None and action in _CHANGED:
        text += " by you" if by == to.role else " by an administrator" if by == "admin" else f" by the {by}"
    text += f":\n\n{_when(span, to, other)}\n"
    if previous is not None:
        text += f"\nBefore:\n\n{_when(previous, to, other)}\n"
    return Mail(to=to.email, subject=f"Your session {what}", text=text, key=key)


def _known_as(person: Addressee) -> str:
    """Anybody may have chosen the name."""
    return _plain(person.name) or f"your {person.role}"


def _when(span: Span, to: Addressee, other: Addressee) -> str:
    """In the recipient's own time, with the other's beside it where that is another."""
    own = _in_zone(span, to.time_zone)
    if other.time_zone == to.time_zone:
        return own
    return f"{own}\nFor {_known_as(other)}: {_in_zone(span, other.time_zone)}"


def _in_zone(span: Span, time_zone: str) -> str:
    """``Monday, 1 February 2027, 10:00-11:00 (America/New_York, UTC-05:00)``; the offsets tell repeated hours apart."""
    start, end = (at.astimezone(ZoneInfo(time_zone)) for at in span)
    first, last = (f"UTC{at.strftime('%z')[:3]}:{at.strftime('%z')[3:5]}" for at in (start, end))
    offset = first if first == last else f"{first} to {last}"
    return f"{start:%A}, {start.day} {start:%B %Y}, {start:%H:%M}-{end:%H:%M} ({time_zone}, {offset})"


def _with_code(to: str, subject: str, before: str, codes: Codes, action: str, after: str) -> Mail:
    # The code is alone on its line: people copy it, programs find it. The link opens the app.
    link = f"spotter://{action}?code={codes.link}"
    return Mail(to=to, subject=subject, text=f"{before}\n\n{codes.digits}\n\nOr open this link:\n\n{link}\n\n{after}\n")


def _described(registration: Registration) -> str:
    """Whose it says it is: anybody may have written the name, so that nothing in it becomes a link or another line."""
    at = registration.created_at.strftime("%Y-%m-%d %H:%M UTC")
    name = _plain(registration.name)
    return f"as a {registration.role}, under the name “{name}”, from {registration.device}, at {at}."


def _plain(name: str) -> str:
    kept = "".join(one for one in name if one in " '\u2019-.," or unicodedata.category(one)[0] in "LMN")
    return re.sub(r"\.(?=\S)", ". ", " ".join(kept.split()))[:MAX_NAME]
