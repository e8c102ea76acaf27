"""The part of a file that a request asks for (RFC 9110, section 14): one range; several are answered with the whole."""

from __future__ import annotations

import re

_ONE = re.compile(r"bytes=(\d{0,19})-(\d{0,19})\Z")


def requested_range(header: str | None, if_range: str | None, etag: str, size: int) -> tuple[int, int] | None:
    """Start and end (exclusive); nothing for a range that lies outside."""
    if header is None or (if_range is not None and if_range != etag):
        return 0, size
    match = _ONE.fullmatch(header.replace(" ", ""))
    if match is None or match.groups() == ("", ""):
        return 0, size
    first, last = match.groups()
    if not first:
        length = min(int(last), size)
        return (size - length, size) if length else None
    start, end = int(first), min(int(last) + 1, size) if last else size
    if start >= size:
        return None
    return (start, end) if start < end else (0, size)
