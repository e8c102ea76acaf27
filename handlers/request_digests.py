"""What a repeat under a key is compared by: what the client gave, whichever version of the server looks.

A field that was left out and one given with its default are one, as are the spellings of an instant and of a number. So
a field may be added to a command as long as it has a default, and a default never changes (a test freezes the digests).
"""

from __future__ import annotations

from functools import cache
from hashlib import blake2b
from typing import Any, get_args

import msgspec

from domain.errors import DomainError
from domain.times import from_wire
from domain.wire.base import Command
from domain.wire.fields import DateOrInstant, Instant
from store.idempotency import Asked, Scope

_INSTANTS = (Instant, DateOrInstant)
_fields = cache(msgspec.structs.fields)


def scope_of(user_id: str, name: str, key: str) -> Scope:
    """``name``: the socket's event, or what stands in its place where there is none."""
    former = _FIRST_VERSION.get(name, (None,))[0]
    return Scope(user_id, (name,) if former is None else (name, former), key)


def asked_by(name: str, command: Command) -> Asked:
    """The digest, and those that the first version of the server may have kept of the same."""
    return Asked(digest_of(command), first_version(name, command))


def digest_of(command: Command) -> bytes:
    """Of the canonical JSON of what was given, the key excluded."""
    return blake2b(msgspec.json.encode(_given(command, _instant), order="deterministic"), digest_size=16).digest()


def _given(struct: msgspec.Struct, spell: Any) -> dict[str, Any]:
    """The fields that say something else than their defaults, by their names on the wire."""
    given = {}
    for field in _fields(type(struct)):
        value = getattr(struct, field.name)
        if field.name == "idempotency_key" or value is msgspec.UNSET or _is_default(field, value):
            continue
        if isinstance(value, str) and _names_instant(field.type):
            value = spell(value)
        given[field.encode_name] = _plain(value, spell)
    return given


def _plain(value: Any, spell: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        return _given(value, spell)
    if isinstance(value, list | tuple):
        return [_plain(one, spell) for one in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return msgspec.to_builtins(value)


def _is_default(field: msgspec.structs.FieldInfo, value: Any) -> bool:
    default = field.default
    if field.default_factory is not msgspec.NODEFAULT:
        default = field.default_factory()
    return type(default) is type(value) and default == value


def _names_instant(hint: Any) -> bool:
    return any(one in _INSTANTS for one in (hint, *get_args(hint)))


def _instant(text: str) -> str:
    """One spelling of each instant; what is none is the handler's to refuse."""
    try:
        return from_wire(text, "").isoformat()
    except DomainError:
        return text


# --- the first version ---
#
# It kept its own encoding of the command under the name of the command's class. Nothing here follows from what commands
# are today, and nothing here changes: a command that came later has no place in it.

_Field = str | tuple[str, Any]
_FIRST_VERSION: dict[str, tuple[Any, ...]] = {
    "file:upload": ("Upload",),
    "conversation:open": ("OpenConversation", "userId"),
    "conversation:mute": ("MuteConversation", "conversationId", "until"),
    "message:send": (
        "SendMessage", "conversationId", "clientMessageId", ("text", None), ("imageUrls", ()), ("videoUrls", ()),
        ("pdfUrls", ()), ("replyTo", None)
    ),
    "message:edit": ("EditMessage", "messageId", "text"),
    "message:delete": ("DeleteMessage", "messageId"),
    "message:react": ("ReactToMessage", "messageId", "emoji", ("remove", False)),
    "booking:create": ("CreateBooking", "trainerId", "startsAt", "payWith", ("note", None)),
    "booking:cancel": ("CancelBooking", "bookingId", ("reason", None)),
    "booking:reschedule": ("RescheduleBooking", "bookingId", "startsAt"),
    "booking:no-show": ("ReportNoShow", "bookingId"),
    "me:update": ("UpdateMe", "isActive"),
    "profile:update": (
        "UpdateProfile", "name", "phone", "profile_image", "address", "city", "postalCode", "zipCode", "country",
        "service_images", "yearsOfExperience", "studioName", "studioAddress", "studioCity", "studioZipCode",
        "studioCountry", "instagramUrl", "websiteUrl"
    ),
    "specializations:set": ("SetSpecializations", "specializations"),
    "pricing:set": (
        "SetPricing", ("freeTrial", False), ("weeklyTrialLimit", 0), ("cancelReshedulePolicy", "ALWAYS_FREE"),
        ("individualSessionPrice", None), ("isIndividualSesionAvailable", False), ("fiveSessionPrice", None),
        ("isFiveSessionAvailable", False), ("tenSessionPrice", None), ("isTenSessionAvailable", False)
    ),
    "certificate:add": ("AddCertificate", "certificateName", ("certificateDocument", None), ("aboutYou", None)),
    "certificate:update": ("UpdateCertificate", "id", "certificateName", "certificateDocument", "aboutYou"),
    "certificate:delete": ("DeleteCertificate", "id"),
    "availability:set": ("SetAvailability", "timeZone", "sessionDurationInMins", "breakBetweenSessionMins", "days"),
    "exception:add": ("AddException", "date", ("startTime", None), ("endTime", None), ("reason", None)),
    "exception:remove": ("RemoveException", "id"),
    "bookmark:add": ("AddBookmark", "trainerId"),
    "bookmark:remove": ("RemoveBookmark", "trainerId"),
    "review:add": ("AddReview", "bookingId", "rating", ("comment", None)),
    "review:update": ("UpdateReview", "id", "rating", "comment"),
    "review:delete": ("DeleteReview", "id"),
    "category:add": ("AddCategory", "name"),
    "category:update": ("UpdateCategory", "id", "name"),
    "category:delete": ("DeleteCategory", "id"),
    "subcategory:add": ("AddSubCategory", "name", "category"),
    "subcategory:update": ("UpdateSubCategory", "id", "name", "category"),
    "subcategory:delete": ("DeleteSubCategory", "id"),
}
_FIRST_VERSION_NESTED: dict[str, tuple[_Field, ...]] = {
    "specializations": ("sessionCategory", ("subCategories", ())),
    "days": ("day", "startTime", "endTime", ("isAvailable", True)),
}


def first_version(name: str, command: Command) -> tuple[bytes, ...]:
    """The digests that the first version may have kept: one for each spelling of an instant, as given first.

    None where it did not know the command, or one of the fields given.
    """
    if name not in _FIRST_VERSION:
        return ()
    digests: dict[bytes, None] = {}
    for spell in (str, _with_z, _with_milliseconds, _instant):
        body = _first_encoding(_given(command, spell), _FIRST_VERSION[name][1:])
        if body is not None:
            encoded = msgspec.json.encode({"idempotencyKey": command.idempotency_key, **body})
            digests[blake2b(encoded, digest_size=16).digest()] = None
    return tuple(digests)


def _first_encoding(given: dict[str, Any], fields: tuple[_Field, ...]) -> dict[str, Any] | None:
    """In the order of that version's fields, with its defaults."""
    encoded: dict[str, Any] = {}
    for field in fields:
        name, *default = (field,) if isinstance(field, str) else field
        if name in given:
            encoded[name] = given[name]
        elif default:
            encoded[name] = default[0]
        if name in encoded and name in _FIRST_VERSION_NESTED:
            nested = [_first_encoding(one, _FIRST_VERSION_NESTED[name]) for one in encoded[name]]
            if None in nested:
                return None
            encoded[name] = nested
    return None if given.keys() - encoded.keys() else encoded


def _with_z(text: str) -> str:
    return _instant(text).replace("+00:00", "Z")


def _with_milliseconds(text: str) -> str:
    at = _instant(text)
    return at if "." in at else at.replace("+00:00", ".000Z")
