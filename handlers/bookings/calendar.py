"""A feed of one's bookings as iCalendar (RFC 5545); calendar programs send no header, so the URL is the secret."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime, timedelta

import msgspec
from icalendar import Calendar, Event, Timezone, TimezoneStandard
from icalendar import __version__ as library_version

from domain.accounts import User, may_sign_in
from domain.bookings import OCCUPYING, VOID, Booking, Status
from domain.conversations import UserSummary
from domain.errors import Code, DomainError, not_found
from domain.profiles import Profile
from domain.times import to_wire
from domain.wire.bookings import CalendarAnswer, CalendarState, OpenCalendar, ReadCalendar
from handlers.access import Actor, Visitor, require_role
from handlers.context import FeedContext
from handlers.document_cache import TaggedDocument
from store.bookings import BookingFilter, PartyChanges

_PURPOSE = "calendar feed"
# A feed is read whole; nobody has more sessions than that before and behind him.
_MOST = 5000
# What was cancelled can be made without end.
_MOST_VOID = 500
# What is to be raised when the same bookings are written in another form.
_FORM = f"2 {library_version}"
# So many events are written out before others have their turn.
_AT_ONCE = 10


async def open_calendar(context: FeedContext, actor: Actor, command: OpenCalendar) -> CalendarAnswer:
    """A new URL, answered this once. Raises ``conflict`` when there is one, which ends only where that is asked for."""
    require_role(actor, "client", "trainer")
    token = context.secrets.random()
    hashed = context.secrets.keyed_hash(_PURPOSE, token)
    if command.rotate:
        await context.store.calendars.put(actor.user_id, hashed, context.now())
    elif not await context.store.calendars.add(actor.user_id, hashed, context.now()):
        raise DomainError(Code.CONFLICT, "There is a feed already; `rotate: true` ends it and begins another.")
    return CalendarAnswer(url=f"/v1/calendar/{token}.ics")


async def get_calendar(context: FeedContext, actor: Actor, command: None) -> CalendarState:
    """Whether there is a feed; its URL is not kept."""
    require_role(actor, "client", "trainer")
    created_at = await context.store.calendars.created_at(actor.user_id)
    if created_at is None:
        return CalendarState(active=False)
    return CalendarState(active=True, created_at=to_wire(created_at))


async def close_calendar(context: FeedContext, actor: Actor, command: None) -> None:
    await context.store.calendars.remove(actor.user_id)


async def read_calendar(context: FeedContext, visitor: Visitor, command: ReadCalendar) -> TaggedDocument:
    """The feed; raises ``not_found`` for a token that is none, or whose owner may not sign in."""
    user_id = await context.store.calendars.user_of(context.secrets.keyed_hash(_PURPOSE, command.token))
    user = await context.store.users.by_id(user_id) if user_id else None
    if user is None or not may_sign_in(user):
        raise not_found("calendar")
    tag = await _tag(context, user)
    return TaggedDocument(tag, lambda: context.feeds.written(user.id, tag, lambda: _written(context, user)))


async def _tag(context: FeedContext, user: User) -> str:
    """Follows from what the document follows from: the last changes of its bookings, the others' names, the places."""
    parties: dict[str, list[PartyChanges]] = {}
    for wanted, most in _pages(context, user):
        for change in await context.store.bookings.changes_by_party(wanted, user.id, most):
            parties.setdefault(change.user_id, []).append(change)
    cards = await context.store.people.cards(parties)
    said = [(other, cards[other].name if other in cards else "", parties[other]) for other in sorted(parties)]
    trainers = {user.profile_id, *(card.profile_id for card in cards.values())}
    places = sorted((await _places(context, trainers)).items())
    return hashlib.sha256(msgspec.json.encode([_FORM, user.id, said, places])).hexdigest()


async def _written(context: FeedContext, user: User) -> bytes:
    found: dict[str, Booking] = {}
    for wanted, most in _pages(context, user):
        # One that is cancelled between the two is in both.
        found |= {one.id: one for one in await context.store.bookings.page(wanted, None, most)}
    bookings = list(found.values())
    people = {other for booking in bookings for other in booking.user_ids}
    trainers = {booking.trainer_id for booking in bookings}
    cards, places = await asyncio.gather(context.store.people.cards(people), _places(context, trainers))
    return await _joined(feed(bookings, cards, user.id, places))


async def _places(context: FeedContext, trainer_ids: Collection[str]) -> dict[str, str]:
    """Where each trainer's studio is; a home is nobody else's business. Others' ids are passed over."""
    trainers = await context.store.profiles.by_ids("trainer", trainer_ids)
    return {trainer_id: place for trainer_id, profile in trainers.items() if (place := _place(profile))}


def _place(trainer: Profile) -> str:
    town = " ".join(part for part in (trainer.studio_zip_code, trainer.studio_city) if part)
    parts = (trainer.studio_name, trainer.studio_address, town, trainer.studio_country)
    return ", ".join(part for part in parts if part)


def _pages(context: FeedContext, user: User) -> list[tuple[BookingFilter, int]]:
    """Those that count and those that do not, each by its own limit: none keeps the other out."""
    wanted = BookingFilter(
        trainer_id=user.profile_id if user.role == "trainer" else None,
        client_id=user.profile_id if user.role == "client" else None,
        since=context.clock() - PAST,
    )
    limits = ((OCCUPYING, _MOST), (VOID, _MOST_VOID))
    return [(msgspec.structs.replace(wanted, statuses=statuses), most) for statuses, most in limits]


async def _joined(parts: Iterable[bytes]) -> bytes:
    """Each takes the library a third of a millisecond, and a trainer has thousands: others come in between."""
    document = bytearray()
    for number, part in enumerate(parts):
        document += part
        if number % _AT_ONCE == 0:
            await asyncio.sleep(0)
    return bytes(document)


# How often a program may ask again.
REFRESH = timedelta(minutes=15)
# How far back a feed reaches.
PAST = timedelta(days=90)

# A cancelled one stays in the feed: a program that has it would keep it otherwise.
_STATUS: dict[Status, str] = {
    "held": "TENTATIVE",
    "confirmed": "CONFIRMED",
    "completed": "CONFIRMED",
    "no_show": "CONFIRMED",
    "cancelled": "CANCELLED",
    "expired": "CANCELLED",
}


_END = b"END:VCALENDAR\r\n"


_NOWHERE: Mapping[str, str] = {}


def feed(
    bookings: Iterable[Booking], cards: Mapping[str, UserSummary], viewer_id: str, places: Mapping[str, str] = _NOWHERE
) -> Iterator[bytes]:
    """The document for one of the parties, in parts; the same bookings give the same bytes. ``places``: by trainer."""
    calendar = Calendar()
    calendar.add("prodid", "-//Spotter//Bookings//EN")
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    calendar.add("x-wr-calname", "Spotter")
    calendar.add("refresh-interval", REFRESH, parameters={"value": "DURATION"})
    calendar.add("x-published-ttl", "PT15M")
    # All times are in UTC and need no zone, but a calendar without bookings needs a component (RFC 5545, 3.6).
    calendar.add_component(_utc())
    empty: bytes = calendar.to_ical()
    yield empty.removesuffix(_END)
    for booking in bookings:
        other_id = next(user_id for user_id in booking.user_ids if user_id != viewer_id)
        yield _event(booking, cards.get(other_id), places.get(booking.trainer_id)).to_ical()
    yield _END


def _utc() -> Timezone:
    standard = TimezoneStandard()
    standard.add("dtstart", datetime(1970, 1, 1))
    standard.add("tzoffsetfrom", timedelta())
    standard.add("tzoffsetto", timedelta())
    standard.add("tzname", "UTC")
    zone = Timezone()
    zone.add("tzid", "UTC")
    zone.add_component(standard)
    return zone


def _event(booking: Booking, other: UserSummary | None, place: str | None) -> Event:
    event = Event()
    event.add("uid", f"{booking.id}@spotter")
    event.add("sequence", booking.version - 1)
    # When it last changed and not when it was asked for, so that an unchanged feed is an unchanged document.
    event.add("dtstamp", booking.updated_at)
    event.add("created", booking.created_at)
    event.add("last-modified", booking.updated_at)
    event.add("dtstart", booking.starts_at)
    event.add("dtend", booking.ends_at)
    event.add("summary", f"Training with {_line(other.name if other else '') or 'somebody'}")
    if place is not None:
        event.add("location", _line(place))
    event.add("status", _STATUS[booking.status])
    event.add("transp", "TRANSPARENT" if _STATUS[booking.status] == "CANCELLED" else "OPAQUE")
    words = [f"Status: {booking.status.replace('_', ' ')}", booking.note or ""]
    event.add("description", "\n".join(_printable(word) for word in words if word))
    return event


def _line(text: str) -> str:
    return " ".join(_printable(text).split())


def _printable(text: str) -> str:
    """Without control characters, of which RFC 5545 allows none but tabs, and with one kind of line ends.

    A separator that is a character to one program ends the line for another, and what follows would be its own.
    """
    return "\n".join("".join(filter(_is_allowed, line)) for line in text.splitlines())


def _is_allowed(character: str) -> bool:
    return character == "\t" or (ord(character) >= 0x20 and ord(character) != 0x7F)
