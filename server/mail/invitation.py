"""A session as an iCalendar invitation (RFC 5545, RFC 5546), which programs add, move or remove by its UID."""

from __future__ import annotations

from email.headerregistry import Address

from icalendar import Calendar, Event, vCalAddress

from handlers.mail_rendering import Invitation


def method_of(invitation: Invitation) -> str:
    return "CANCEL" if invitation.cancelled else "REQUEST"


def calendar_of(invitation: Invitation, attendee: str, organizer: Address) -> bytes:
    """Whoever is invited has agreed already: nothing is to be answered, and no answer is awaited."""
    event = Event()
    event.add("uid", invitation.uid)
    event.add("sequence", invitation.sequence)
    event.add("dtstamp", invitation.at)
    event.add("dtstart", invitation.starts_at)
    event.add("dtend", invitation.ends_at)
    event.add("summary", invitation.summary)
    event.add("status", "CANCELLED" if invitation.cancelled else "CONFIRMED")
    event.add("transp", "TRANSPARENT" if invitation.cancelled else "OPAQUE")
    from_us = vCalAddress(f"mailto:{organizer.addr_spec}")
    from_us.params["CN"] = organizer.display_name or "Spotter"
    event.add("organizer", from_us)
    to_them = vCalAddress(f"mailto:{attendee}")
    to_them.params.update({"ROLE": "REQ-PARTICIPANT", "PARTSTAT": "ACCEPTED", "RSVP": "FALSE"})
    event.add("attendee", to_them)
    calendar = Calendar()
    calendar.add("prodid", "-//Spotter//Bookings//EN")
    calendar.add("version", "2.0")
    calendar.add("method", method_of(invitation))
    calendar.add_component(event)
    written: bytes = calendar.to_ical()
    return written
