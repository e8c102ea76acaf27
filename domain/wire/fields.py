"""Field types that commands share, with their limits: identifiers, instants, and texts that people write."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated

from msgspec import Meta

from domain.accounts import normalised_email, require_time_zone
from domain.characters import BLANK, LINE, LINES, MAYBE_BLANK_LINES, UNSEEN
from domain.errors import invalid
from domain.times import from_wire
from domain.urls import web_address
from domain.wire.validation_errors import CHECK

# Python's "$" also matches before a final line feed; "\Z" does not.
Id = Annotated[str, Meta(pattern=r"^[0-9a-f]{24}\Z", description="24 hex digits")]
_FILE_PATH = r"/v1/files/([0-9a-f]{24})"
_FILE_URL = re.compile(_FILE_PATH)
# Whatever host it names: what counts is the id, and whose file it is.
FileId = Annotated[
    str,
    Meta(
        max_length=1000,
        pattern=rf"^(?:[0-9a-f]{{24}}|(?:https?://[^\s{UNSEEN}/?#\\]{{1,255}})?{_FILE_PATH}(?:\?[\x21-\x7e]*)?)\Z",
        description="a file's id, or a URL of ours to it",
    ),
]


def file_id(text: str) -> str:
    """Of a ``FileId``."""
    found = _FILE_URL.search(text)
    return found[1] if found else text


# Quotes, brackets, commas and the like never reach a mail header or an envelope, nor does what nobody sees.
_MAILBOX = rf"[^@{BLANK}{UNSEEN}<>()\[\],;:\\\"]{{1,64}}"
_LABEL = rf"[^@{BLANK}{UNSEEN}\x20-\x2c\x2e\x2f\x3a-\x40\x5b-\x60\x7b-\x7f]{{1,63}}"
Email = Annotated[
    str,
    Meta(
        max_length=254,
        pattern=rf"^{_MAILBOX}@(?:{_LABEL}\.)+{_LABEL}\Z",
        description="an e-mail address",
        extra={CHECK: lambda text, _: normalised_email(text)},
    ),
]
Password = Annotated[str, Meta(min_length=10, max_length=128)]
# What is typed at a login may be shorter than what a registration accepts; it is only compared.
TypedPassword = Annotated[str, Meta(min_length=1, max_length=128)]
# 192 bits of it.
LINK_TOKEN_DIGITS = 48
Code = Annotated[
    str,
    Meta(
        pattern=rf"^(?:[0-9]{{6}}|[0-9a-f]{{{LINK_TOKEN_DIGITS}}})\Z",
        description="six digits, or the long token of the mail's link",
    ),
]
_ONE_LINE = "one line of text that shows something, without control characters, those of the writing direction included"
_SEVERAL_LINES = "text of several lines that shows something, without control characters but tabs and line ends"
Name = Annotated[str, Meta(min_length=1, max_length=120, pattern=LINE, description=_ONE_LINE)]
TimeZone = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=64,
        description="an IANA time zone, like Europe/Berlin",
        extra={CHECK: lambda text, _: require_time_zone(text)},
    ),
]
DeviceName = Annotated[
    str, Meta(min_length=1, max_length=120, pattern=LINE, description="one line of text, as its owner calls the device")
]
Token = Annotated[str, Meta(min_length=1, max_length=4096, description="a token as it was given")]
_PRINTABLE = r"^[\x20-\x7e]*\Z"
ClientMessageId = Annotated[
    str, Meta(min_length=1, max_length=64, pattern=_PRINTABLE, description="printable ASCII characters")
]
IdempotencyKey = Annotated[
    str, Meta(min_length=1, max_length=255, pattern=_PRINTABLE, description="printable ASCII characters")
]
SearchWords = Annotated[
    str,
    Meta(
        max_length=200,
        pattern=MAYBE_BLANK_LINES,
        description="words to search for, without control characters but tabs and line ends",
    ),
]
MAX_SEQ = 2**53 - 1
Seq = Annotated[int, Meta(ge=0, le=MAX_SEQ)]
PageSize = Annotated[int, Meta(ge=1, le=100)]
Cursor = Annotated[str, Meta(min_length=1, max_length=512, description="nextCursor of the last page")]
_CLOCK = r"(?:[01][0-9]|2[0-3]):[0-5][05]"
_HH_MM = "HH:MM, a multiple of 5 minutes"
WallTime = Annotated[str, Meta(pattern=rf"^{_CLOCK}\Z", description=_HH_MM)]
EndTime = Annotated[str, Meta(pattern=rf"^(?:{_CLOCK}|24:00)\Z", description=f"{_HH_MM}, or 24:00")]
_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_TIME = r"[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:[Zz]|[+-][0-9]{2}:[0-9]{2})"


def date_from_wire(text: str, field: str) -> date:
    """The date that a client named; raises ``validation_failed`` for one that no calendar has."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise invalid(field, "has to be a date of the calendar as YYYY-MM-DD") from None
    # What lies within reach of arithmetic on either side.
    if not 1970 <= day.year <= 9998:
        raise invalid(field, "has to be a date from 1970 to 9998")
    return day


_YEAR = r"(?:19[7-9][0-9]|[2-8][0-9]{3}|9[0-8][0-9]{2}|99[0-8][0-9]|999[0-8])"
Date = Annotated[
    str,
    Meta(
        pattern=rf"^{_YEAR}{_DATE.removeprefix('[0-9]{4}')}\Z",
        description="a date as YYYY-MM-DD, from 1970 to 9998",
        extra={CHECK: date_from_wire},
    ),
]
_INSTANT = "an instant of RFC 3339, like 2026-11-22T09:30:00.000Z"
Instant = Annotated[
    str, Meta(pattern=rf"^{_DATE}{_TIME}\Z", max_length=40, description=_INSTANT, extra={CHECK: from_wire})
]


def _date_or_instant(text: str, field: str) -> object:
    return date_from_wire(text, field) if len(text) == len("2026-11-22") else from_wire(text, field)


DateOrInstant = Annotated[
    str,
    Meta(
        pattern=rf"^{_DATE}(?:{_TIME})?\Z",
        max_length=40,
        description=f"a date in UTC as YYYY-MM-DD, or {_INSTANT}",
        extra={CHECK: _date_or_instant},
    ),
]


def web_address_from_wire(text: str, field: str) -> str:
    """The address that a client named; raises ``validation_failed`` for one that no browser would open."""
    try:
        return web_address(text)
    except ValueError:
        raise invalid(field, "has to be an http or https URL, like https://example.com") from None


_PHONE = r"^\+?(?:[ ()./-]*[0-9]){3,20}[ ()./-]*\Z"
# No user part: "https://bank.example@evil.example" leads elsewhere than it seems to.
_AUTHORITY = rf"[^\s{UNSEEN}/?#@\\<>\"^`{{|}}]+"
_REST = rf"(?:[/?#][^\s{UNSEEN}\\<>\"^`{{|}}]*)?"

Line = Annotated[str, Meta(min_length=1, max_length=200, pattern=LINE, description=_ONE_LINE)]
ShortLine = Annotated[str, Meta(min_length=1, max_length=120, pattern=LINE, description=_ONE_LINE)]
PostalCode = Annotated[str, Meta(min_length=1, max_length=20, pattern=LINE, description=_ONE_LINE)]
Paragraphs = Annotated[str, Meta(min_length=1, max_length=2000, pattern=LINES, description=_SEVERAL_LINES)]
Note = Annotated[str, Meta(min_length=1, max_length=1000, pattern=LINES, description=_SEVERAL_LINES)]
ReasonText = Annotated[str, Meta(min_length=1, max_length=500, pattern=LINES, description=_SEVERAL_LINES)]
Phone = Annotated[str, Meta(max_length=40, pattern=_PHONE, description="3 to 20 digits, with a + for abroad")]
# What has this form is parsed as well (``domain.urls``).
Url = Annotated[
    str,
    Meta(
        max_length=500,
        pattern=rf"^[Hh][Tt][Tt][Pp][Ss]?://{_AUTHORITY}{_REST}\Z",
        description="an http or https URL, like https://example.com",
        extra={CHECK: web_address_from_wire},
    ),
]
