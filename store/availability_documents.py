"""When a trainer works, as documents: dates and wall times are text, in the form that the wire has."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from bson import ObjectId

from domain.availability import Absence, AbsenceRecord, Schedule, Week, WeekDay, WeekWindow, minutes_of
from store.database import Document

DAYS = "availabilities"


def schedule_from(document: Document) -> Schedule:
    return Schedule(
        time_zone=document["timeZone"],
        duration=document["sessionDurationInMins"],
        break_mins=document["breakBetweenSessionMins"],
        notice_mins=document.get("minimumNoticeInMins", 0),
        windows=windows(document["days"]),
        absences=tuple(exception_from(one).absence for one in document["exceptions"]),
    )


def week_from(document: Document) -> Week:
    return Week(
        time_zone=document["timeZone"],
        duration=document["sessionDurationInMins"],
        break_mins=document["breakBetweenSessionMins"],
        notice_mins=document.get("minimumNoticeInMins", 0),
        days=tuple(week_day_from(day) for day in sorted(document["days"], key=_place)),
    )


def _place(document: Document) -> ObjectId:
    """They were made in the order in which they were given."""
    place: ObjectId = document["_id"]
    return place


def windows(days: Sequence[Document]) -> tuple[WeekWindow, ...]:
    """Those in which the trainer works."""
    return tuple(week_day_from(day).window for day in days if day["isAvailable"])


def week_day_from(document: Document) -> WeekDay:
    return WeekDay(
        day=document["day"],
        start_time=document["startTime"],
        end_time=document["endTime"],
        is_available=document["isAvailable"],
    )


def day_document(trainer: ObjectId, week: ObjectId, day: WeekDay, now: datetime) -> Document:
    return {
        "trainer": trainer,
        "trainerAvailability": week,
        "day": day.day,
        "startTime": day.start_time,
        "endTime": day.end_time,
        "isAvailable": day.is_available,
        "createdAt": now,
        "updatedAt": now,
    }


def exception_from(document: Document) -> AbsenceRecord:
    start, end = document["startTime"], document["endTime"]
    return AbsenceRecord(
        id=str(document["_id"]),
        absence=Absence(
            date=date.fromisoformat(document["date"]),
            start=None if start is None else minutes_of(start),
            end=None if end is None else minutes_of(end),
        ),
        reason=document["reason"],
        created_at=document["createdAt"],
        updated_at=document["updatedAt"],
    )


def exception_document(trainer: ObjectId, record: AbsenceRecord) -> Document:
    return {
        "_id": ObjectId(record.id),
        "trainer": trainer,
        "date": record.absence.date.isoformat(),
        "startTime": record.start_time,
        "endTime": record.end_time,
        "reason": record.reason,
        "createdAt": record.created_at,
        "updatedAt": record.updated_at,
    }
