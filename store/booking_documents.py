"""Bookings as MongoDB holds them: the Booking table's fields, and what the product adds."""

from __future__ import annotations

from datetime import datetime

from bson import ObjectId

from domain.bookings import OCCUPYING, Booking, duration_in_minutes, trainer_claims, wall_times
from domain.reminders import next_due
from store.database import Document


def booking_document(booking: Booking, now: datetime) -> Document:
    """The whole document. ``date``, ``startTime``, ``endTime`` are there to be read by people; the instants count."""
    wall = wall_times(booking)
    document: Document = {
        "_id": ObjectId(booking.id),
        "trainer": ObjectId(booking.trainer_id),
        "client": ObjectId(booking.client_id),
        "trainerUser": ObjectId(booking.trainer_user_id),
        "clientUser": ObjectId(booking.client_user_id),
        "conversationId": ObjectId(booking.conversation_id),
        "durationInMins": duration_in_minutes(booking),
        "date": wall.date,
        "startTime": wall.start_time,
        "endTime": wall.end_time,
        "startsAt": booking.starts_at,
        "endsAt": booking.ends_at,
        "timeZone": booking.time_zone,
        "breakInMins": booking.pause,
        "cancellationPolicy": booking.cancellation_policy,
        "status": booking.status,
        "paidWith": booking.paid_with,
        "version": booking.version,
        "reminded": list(booking.reminded),
        "arrangedAt": booking.arranged_at,
        "createdAt": booking.created_at,
        "updatedAt": booking.updated_at,
    }
    optional = {
        "note": booking.note,
        "cancelledBy": booking.cancelled_by,
        "reason": booking.reason,
        "heldUntil": booking.held_until,
        "leftBy": booking.left_by,
        "dueAt": next_due(booking, now),
        # An empty array would collide with every other empty one: claims are there or they are not.
        "claims": trainer_claims(booking) if booking.status in OCCUPYING else None,
    }
    return document | {name: value for name, value in optional.items() if value is not None}


def booking_record(document: Document) -> Booking:
    return Booking(
        id=str(document["_id"]),
        trainer_id=str(document["trainer"]),
        client_id=str(document["client"]),
        trainer_user_id=str(document["trainerUser"]),
        client_user_id=str(document["clientUser"]),
        conversation_id=str(document["conversationId"]),
        starts_at=document["startsAt"],
        ends_at=document["endsAt"],
        time_zone=document["timeZone"],
        pause=document["breakInMins"],
        cancellation_policy=document["cancellationPolicy"],
        status=document["status"],
        paid_with=document["paidWith"],
        version=document["version"],
        note=document.get("note"),
        cancelled_by=document.get("cancelledBy"),
        reason=document.get("reason"),
        held_until=document.get("heldUntil"),
        left_by=document.get("leftBy"),
        reminded=tuple(document["reminded"]),
        arranged_at=document["arrangedAt"],
        created_at=document["createdAt"],
        updated_at=document["updatedAt"],
    )
