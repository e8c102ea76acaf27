"""What the names and patterns of the wire stand for in the documents: formats, and examples that fit."""

from __future__ import annotations

import re
from typing import Any, NamedTuple, get_args

from domain.characters import LINE, LINES, MAYBE_BLANK_LINES
from domain.wire import fields
from domain.wire.bookings import FeedToken
from domain.wire.notifications import DeviceId, UnsubscribeToken


class Meaning(NamedTuple):
    """``format`` in the words of JSON Schema."""

    format: str | None
    example: Any


ID = "65f1c0de9a1b2c3d4e5f6071"
INSTANT = "2026-11-22T09:30:00.000Z"
_DATE = "2026-11-22"
_FILE = f"/v1/files/{ID}?expires=1795340000&signature=k3Jx0v9Q"
_UUID = "0b8f6c1e-6a1d-4c57-9d0e-2f1f6f0a7c11"
_OPAQUE = "eyJpZCI6IjY1ZjEi"


def _pattern(kind: Any) -> str:
    return str(get_args(kind)[1].pattern)


OF_PATTERN: dict[str, Meaning] = {
    _pattern(fields.Id): Meaning(None, ID),
    _pattern(fields.Email): Meaning("email", "ann@example.com"),
    _pattern(fields.Code): Meaning(None, "123456"),
    _pattern(fields.ClientMessageId): Meaning(None, _UUID),
    _pattern(fields.IdempotencyKey): Meaning(None, _UUID),
    _pattern(fields.WallTime): Meaning(None, "09:30"),
    _pattern(fields.EndTime): Meaning(None, "10:30"),
    _pattern(fields.Date): Meaning("date", _DATE),
    _pattern(fields.Instant): Meaning("date-time", INSTANT),
    _pattern(fields.DateOrInstant): Meaning(None, _DATE),
    _pattern(fields.Phone): Meaning(None, "+49 30 1234567"),
    _pattern(FeedToken): Meaning(None, "q3VxY0t2b1hYd0pLc1Rr"),
    _pattern(DeviceId): Meaning(None, _UUID),
    _pattern(UnsubscribeToken): Meaning(None, f"{ID}.message.{'0f' * 32}"),
    _pattern(fields.Url): Meaning("uri", "https://example.com/ann"),
}
# Texts of people: what a name has no example for.
TEXTS = frozenset({LINE, LINES, MAYBE_BLANK_LINES})

# The first that the whole name fits; the naming rules of the wire contract.
_OF_NAME: tuple[tuple[str, Meaning], ...] = (
    (r"deletedAt|editedAt|mutedUntil", Meaning("date-time", None)),
    (r"endsAt", Meaning("date-time", "2026-11-22T10:30:00.000Z")),
    (r"\w*At|deadline|until", Meaning("date-time", INSTANT)),
    (r"date|availableOn", Meaning("date", _DATE)),
    (r"startTime", Meaning(None, "09:30")),
    (r"endTime", Meaning(None, "10:30")),
    (r"timeZone", Meaning(None, "Europe/Berlin")),
    (r"email", Meaning("email", "ann@example.com")),
    (r"password|\w+Password", Meaning("password", "correct horse battery")),
    (r"requestId", Meaning(None, "5f2a7d3c9b1e4f60")),
    (r"clientMessageId", Meaning(None, _UUID)),
    (r"replyTo", Meaning(None, None)),
    (r"(\w*I|i)ds?|trainer|client|category|subCategory|subCategories|sessionCategory|certificates|specialization|gone",
     Meaning(None, ID)),
    (r"profile_image|service_images|certificateDocument|url|thumbnailUrl|imageUrls|videoUrls|pdfUrls",
     Meaning("uri-reference", _FILE)),
    (r"\w+Url", Meaning("uri", "https://example.com/ann")),
    (r"accessToken|token", Meaning(None, "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI2NWYxIn0.c2lnbmF0dXJl")),
    (r"\w*[cC]ursor|changes|changedAfter", Meaning(None, _OPAQUE)),
    (r"state", Meaning(None, "Zk3hQw8aT1x0bYcd")),
    (r"type", Meaning("uri", "urn:spotter:error:validation_failed")),
    (r"\w*[pP]rice|amount", Meaning(None, 6000)),
)  # fmt: skip
_EXAMPLES: dict[str, Any] = {
    "name": "Ann Example",
    "device": "Ann's phone",
    "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "city": "Berlin",
    "studioCity": "Berlin",
    "country": "Germany",
    "studioCountry": "Germany",
    "address": "1 Example Street",
    "studioAddress": "2 Example Street",
    "studioName": "Studio Example",
    "postalCode": "10115",
    "zipCode": "10115",
    "studioZipCode": "10115",
    "text": "See you on Tuesday.",
    "comment": "A very good session.",
    "note": "My knee hurts a little.",
    "reason": "I am ill.",
    "bio": "I have trained people in Berlin for eight years.",
    "start": "+01:00",
    "end": "+01:00",
    "aboutYou": "Certified in Berlin.",
    "certificateName": "Yoga Teacher 200h",
    "sessionCategoryName": "Yoga",
    "subCategoryNames": "Vinyasa",
    "query": "tuesday",
    "q": "yoga",
    "emoji": "👍",
    "contentType": "image/jpeg",
    "title": "Validation failed",
    "detail": "email: is not an e-mail address.",
    "message": "is not an e-mail address",
    "field": "email",
    "role": "client",
    "kind": "text",
    "change": "new",
    "action": "created",
    "code": "validation_failed",
    "status": "confirmed",
    "day": "Monday",
    "payWith": "credit",
    "paidWith": "credit",
    "sort": "rating",
    "month": "2026-11",
    "currency": "usd",
    "rating": 5,
    "average": 4.8,
    "seq": 42,
    "limit": 20,
    "expiresIn": 900,
    "durationInMins": 60,
    "sessionDurationInMins": 60,
    "breakBetweenSessionMins": 10,
    "minimumNoticeInMins": 120,
    "yearsOfExperience": 8,
    "size": 48213,
    "width": 1200,
    "height": 800,
}
# Where a name stands for a text elsewhere.
_NUMBERS = {"status": 422, "retryAfterMs": 1000}
# Of what may be left out of a request, what an example shows all the same.
TELLING = frozenset({"text", "comment", "note", "reason", "device", "timeZone", "subCategories", "name", "city"})
# Lists that are empty in most messages.
EMPTY = frozenset({"videoUrls", "pdfUrls"})


def meaning_of(name: str, schema: dict[str, Any]) -> Meaning:
    """Of a scalar field: its format, and an example."""
    kind = schema["type"]
    known = OF_PATTERN.get(schema.get("pattern", ""))
    named = next((meaning for pattern, meaning in _OF_NAME if re.fullmatch(pattern, name)), None)
    if kind == "string":
        if "pattern" in schema and known is None and schema["pattern"] not in TEXTS:
            # A pattern of one command's own says more than its field's name.
            example = _EXAMPLES.get(name, named.example if named else "text")
            return Meaning(None, example if re.search(schema["pattern"], str(example)) else None)
        return known or named or Meaning(None, _EXAMPLES.get(name, "text"))
    example = named.example if named else _NUMBERS.get(name, _EXAMPLES.get(name))
    if kind == "boolean":
        return Meaning(None, True)
    if kind == "integer":
        small = schema.get("maximum", 2**53) < 2**31
        fits = isinstance(example, int) and schema.get("minimum", 0) <= example <= schema.get("maximum", example)
        return Meaning("int32" if small else "int64", example if fits else max(1, schema.get("minimum", 1)))
    return Meaning("double", example if isinstance(example, int | float) else schema.get("minimum", 1))
