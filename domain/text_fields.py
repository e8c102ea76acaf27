"""Field types of what people write, about themselves and to each other, with their limits."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

_LINES = r"^(?=[\s\S]*\S)[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*\Z"
_LINE = r"^(?=.*\S)[^\x00-\x1f\x7f]*\Z"
_PHONE = r"^\+?(?:[ ()./-]*[0-9]){3,20}[ ()./-]*\Z"
# No user part: "https://bank.example@evil.example" leads elsewhere than it seems to.
_AUTHORITY = r"[^\s\x00-\x20\x7f/?#@\\<>\"^`{|}]+"
_REST = r"(?:[/?#][^\s\x00-\x20\x7f\\<>\"^`{|}]*)?"

Line = Annotated[str, Meta(min_length=1, max_length=200, pattern=_LINE, description="one line of text")]
ShortLine = Annotated[str, Meta(min_length=1, max_length=120, pattern=_LINE)]
PostalCode = Annotated[str, Meta(min_length=1, max_length=20, pattern=_LINE)]
Paragraphs = Annotated[str, Meta(min_length=1, max_length=2000, pattern=_LINES, description="text of several lines")]
Note = Annotated[str, Meta(min_length=1, max_length=1000, pattern=_LINES, description="text of several lines")]
Reason = Annotated[str, Meta(min_length=1, max_length=500, pattern=_LINES, description="text of several lines")]
Phone = Annotated[str, Meta(max_length=40, pattern=_PHONE, description="digits, with a + for abroad")]
Url = Annotated[
    str,
    Meta(
        max_length=500,
        pattern=rf"^[Hh][Tt][Tt][Pp][Ss]?://{_AUTHORITY}{_REST}\Z",
        description="an http or https URL",
    ),
]
