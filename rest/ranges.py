"""The part of a file that a request asks for (RFC 9110, section 14): one range; several are answered with the whole."""

from __future__ import annotations

import re
from typing import NamedTuple

_ONE = re.compile(r"bytes=([0-9]*)-([0-9]*)")
# No file is as long; what has more digits need not be read, and Python would refuse to.
_BEYOND = 10**18


class Span(NamedTuple):
    """``end`` is exclusive."""

    start: int
    end: int


class Outside(Exception):
    """The file has nothing of the range."""


def requested_range(header: str | None, if_range: str | None, etag: str, size: int) -> Span | None:
    """What a range asks for, be it everything; nothing where there is none to heed. Raises ``Outside``."""
    if header is None or (if_range is not None and if_range != etag):
        return None
    match = _ONE.fullmatch(header.replace(" ", ""))
    if match is None or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if not first:
        start, end = max(0, size - _number(last)), size
    else:
        start, end = _number(first), _number(last) + 1 if last else _BEYOND + 1
        if end <= start:
            return None
    if start >= size:
        raise Outside
    return Span(start, min(end, size))


def _number(digits: str) -> int:
    digits = digits.lstrip("0") or "0"
    return int(digits) if len(digits) < len(str(_BEYOND)) else _BEYOND
