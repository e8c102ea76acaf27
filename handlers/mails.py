"""The mails that leave: pure composition, one function a mail. Their texts are in ``mail_templates``, subjects and what
several share here."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec

from domain.accounts import Role
from domain.bookings import Action, Booking, Party
from domain.characters import is_blank
from domain.conversations import UNREAD_CAP
from domain.payments import PaymentNotice, in_words
from domain.proofs import Registration
from domain.sessions import Session
from handlers.mail_rendering import Invitation, Mail, Owner

# Of a name that somebody gave in another's mail; of marks on one letter there are four in a few languages.
MAX_NAME, MOST_MARKS = 60, 4
_RIGHT_TO_LEFT = frozenset({"R", "AL", "AN"})


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
        f"It is good for 10 minutes, and for this registration only: {_described(registration)}",
        "Is that not yours? Then do nothing: without the code nothing happens. If you registered yourself, the code"
        " that goes with it came in another mail.",
        owner=Owner("registration", registration.id),
    )


def reset_code(to: str, codes: Codes, user_id: str | None = None) -> Mail:
    return _with_code(
        to,
        "Reset your Spotter password",
        "Somebody, we hope you, asked to reset your password. The code:",
        codes,
        "reset",
        "It is good for 10 minutes. If it was not you, do nothing: your password stays.",
        owner=_of_user(user_id),
    )


def already_registered(registration: Registration, user_id: str | None = None) -> Mail:
    return Mail(
        to=registration.email,
        subject="You already have a Spotter account",
        template="already_registered",
        values={"described": _described(registration)},
        owner=_of_user(user_id),
    )


def password_changed(to: str, user_id: str | None = None) -> Mail:
    subject = "Your Spotter password was changed"
    return Mail(to=to, subject=subject, template="password_changed", owner=_of_user(user_id))


def new_sign_in(to: str, session: Session, kind: str, key: str, time_zone: str | None = None) -> Mail:
    """``kind`` of device, one of a few constants; what the device calls itself is not repeated, anybody may write it.

    The link opens the list of devices in the app, which ends the session for whoever is signed in.
    """
    return Mail(
        to=to,
        subject="New sign-in to Spotter",
        template="new_sign_in",
        values={"device": kind, "at": _moment(session.created_at, time_zone), "link": f"spotter://sessions/{session.id}"},
        key=f"sign-in {key}",
    )


def export_ready(to: str, kept: timedelta, key: str) -> Mail:
    """Without a link to the archive: whoever reads the mail need not be who asked for it."""
    return Mail(
        to=to,
        subject="Your Spotter data is ready",
        template="export_ready",
        values={"days": f"{kept.days} {'day' if kept.days == 1 else 'days'}"},
        key=f"export {key}",
    )


class Addressee(msgspec.Struct, frozen=True, kw_only=True):
    """Who gets a mail about a session, or whom it is about; ``time_zone`` is where the person is."""

    email: str
    name: str
    role: Role
    time_zone: str


Span = tuple[datetime, datetime]


def session_reminder(
    to: Addressee, other: Addressee, booking: Booking, hours: int, unsubscribe: str | None = None
) -> Mail:
    """``other``: whom the recipient meets."""
    soon = "tomorrow" if hours == 24 else "in an hour"
    when = _when((booking.starts_at, booking.ends_at), to, other)
    return Mail(
        to=to.email,
        subject=f"Your session {soon}",
        template="session_reminder",
        values={"other": _known_as(other), "soon": soon, "when": when},
        key=f"reminder {booking.id} {booking.starts_at.isoformat()} {hours} {to.email}",
        unsubscribe=unsubscribe,
    )


_CHANGED: dict[Action, str] = {"rescheduled": "was moved", "cancelled": "was cancelled"}


def booking_changed(
    to: Addressee,
    other: Addressee,
    action: Action,
    by: Party | None,
    span: Span,
    previous: Span | None,
    *,
    key: str,
    invitation: Invitation | None = None,
    unsubscribe: str | None = None,
) -> Mail:
    """What was made, moved or cancelled, to one of the parties; ``previous``: the time it had before."""
    what = _CHANGED.get(action, "is booked")
    said = ""
    if by is not None and action in _CHANGED:
        said = " by you" if by == to.role else " by an administrator" if by == "admin" else f" by the {by}"
    return Mail(
        to=to.email,
        subject=f"Your session {what}",
        template="booking_changed",
        values={
            "other": _known_as(other),
            "what": what,
            "by": said,
            "when": _when(span, to, other),
            "before": () if previous is None else _when(previous, to, other),
        },
        key=key,
        unsubscribe=unsubscribe,
        invitation=invitation,
    )


def invitation_of(
    booking_id: str, version: int, at: datetime, span: Span, other: Addressee, *, cancelled: bool
) -> Invitation:
    """The same session as in the feed of bookings, whose names it has."""
    starts_at, ends_at = span
    return Invitation(
        uid=f"{booking_id}@spotter",
        sequence=version - 1,
        at=at,
        starts_at=starts_at,
        ends_at=ends_at,
        summary=f"Training with {_known_as(other)}",
        cancelled=cancelled,
    )


def receipt(
    to: str, notice: PaymentNotice, trainer: str, time_zone: str | None, *, key: str, unsubscribe: str | None = None
) -> Mail:
    """Of what was paid or given back. ``notice.credits``: sessions bought or taken back, none of a booking that was
    paid by card."""
    back = notice.action == "refunded"
    rows = [("Trainer", _plain(trainer) or "your trainer")]
    if notice.credits:
        rows.append(("Sessions", str(abs(notice.credits))))
    rows += [
        ("Amount", in_words(abs(notice.amount), notice.currency)),
        ("Date", _moment(notice.at, time_zone)),
        ("Number", notice.transaction_id),
    ]
    said = "This was given back to you:" if back else "Thank you. You have paid:"
    return Mail(
        to=to,
        subject="Your refund" if back else "Your receipt",
        template="receipt",
        values={"said": said, "rows": rows},
        key=f"receipt {key}",
        unsubscribe=unsubscribe,
    )


# Those of an unread digest that are named.
NAMED = 10


def unread_digest(
    to: str, counts: Sequence[tuple[str, int]], *, key: str, unsubscribe: str | None = None
) -> Mail:
    """``counts``: of each conversation the other's name and how many messages are unread, of which none is quoted."""
    total = sum(count for _, count in counts)
    at_least = "+" if any(count >= UNREAD_CAP for _, count in counts) else ""
    said = f"{total}{at_least} unread message{'' if total == 1 else 's'}"
    left = len(counts) - NAMED
    return Mail(
        to=to,
        subject=f"{said} for you",
        template="unread_digest",
        values={
            "total": said,
            "people": [(_plain(name) or "somebody", _counted(count)) for name, count in counts[:NAMED]],
            "more": f"{left} conversation{'' if left == 1 else 's'}" if left > 0 else "",
            "link": "spotter://conversations",
        },
        key=key,
        unsubscribe=unsubscribe,
    )


def _counted(count: int) -> str:
    return f"{UNREAD_CAP}+" if count >= UNREAD_CAP else str(count)


def _known_as(person: Addressee) -> str:
    """Anybody may have chosen the name."""
    return _plain(person.name) or f"your {person.role}"


def _when(span: Span, to: Addressee, other: Addressee) -> tuple[tuple[str, str], ...]:
    """In the recipient's own time, with the other's beside it where that is another; each with whose it is."""
    own = ("", _in_zone(span, to.time_zone))
    if other.time_zone == to.time_zone:
        return (own,)
    return own, (_known_as(other), _in_zone(span, other.time_zone))


def _in_zone(span: Span, time_zone: str) -> str:
    """``Monday, 1 February 2027, 10:00-11:00 (America/New_York, UTC-05:00)``; the offsets tell repeated hours apart."""
    start, end = (at.astimezone(ZoneInfo(time_zone)) for at in span)
    first, last = _offset(start), _offset(end)
    offset = first if first == last else f"{first} to {last}"
    return f"{start:%A}, {start.day} {start:%B %Y}, {start:%H:%M}-{end:%H:%M} ({time_zone}, {offset})"


def _moment(at: datetime, time_zone: str | None) -> str:
    """``2027-02-01 10:00 (America/New_York, UTC-05:00)``; of whoever has not said where it is, in UTC."""
    if time_zone is None:
        return at.strftime("%Y-%m-%d %H:%M UTC")
    local = at.astimezone(ZoneInfo(time_zone))
    return f"{local:%Y-%m-%d %H:%M} ({time_zone}, {_offset(local)})"


def _offset(at: datetime) -> str:
    return f"UTC{at.strftime('%z')[:3]}:{at.strftime('%z')[3:5]}"


def _of_user(user_id: str | None) -> Owner | None:
    return None if user_id is None else Owner("user", user_id)


def _with_code(
    to: str, subject: str, before: str, codes: Codes, action: str, after: str, doubt: str = "", *, owner: Owner | None
) -> Mail:
    # The code is alone on its line: people copy it, programs find it. The link opens the app.
    link = f"spotter://{action}?code={codes.link}"
    said = {"before": before, "digits": codes.digits, "link": link, "after": after, "doubt": doubt}
    return Mail(to=to, subject=subject, template="code", values=said, owner=owner)


def _described(registration: Registration) -> str:
    """Whose it says it is: anybody may have written the name, so that nothing in it becomes a link or another line."""
    at = _moment(registration.created_at, registration.time_zone)
    name = _plain(registration.name)
    named = f"under the name “{name}”" if name else "under a name without letters"
    return f"as a {registration.role}, {named}, from {registration.device}, at {at}."


def _plain(name: str) -> str:
    """Letters, their marks, digits and what stands between them; nothing of a name that has none of them."""
    kept, marks = "", MOST_MARKS
    for one in name:
        category = unicodedata.category(one)[0]
        if category == "M":
            marks += 1
            # Without a letter below, or a heap of them over the lines around.
            if marks > MOST_MARKS or is_blank(one):
                continue
        elif one.isspace():
            one, marks = " ", MOST_MARKS
        elif category not in "LN" or is_blank(one):
            marks = MOST_MARKS
            if one not in "'\u2019-.,":
                continue
        else:
            marks = 0
        kept += one
    cut = re.sub(r"\.(?=\S)", ". ", " ".join(kept.split()))[:MAX_NAME]
    if not any(map(str.isalnum, cut)):
        return ""
    # Isolated, a name leaves the words and the figures around it where they are.
    return f"\u2068{cut}\u2069" if any(unicodedata.bidirectional(one) in _RIGHT_TO_LEFT for one in cut) else cut
