"""Whether a file is whole, by the structure of its format: what breaks off or pretends is told from what is meant."""

from __future__ import annotations

from typing import Protocol

_TAIL = 2048
# More boxes at the top level than any recorder writes.
_MAX_BOXES = 100_000


class Bytes(Protocol):
    """A file at hand."""

    @property
    def size(self) -> int: ...
    def part(self, start: int, length: int) -> bytes: ...


def is_whole(content_type: str, file: Bytes) -> bool:
    """Images are not asked: decoding them tells."""
    if content_type == "application/pdf":
        return file.part(0, 5) == b"%PDF-" and b"%%EOF" in file.part(max(0, file.size - _TAIL), _TAIL)
    if content_type in ("video/mp4", "video/quicktime"):
        return _has_all_boxes(file)
    if content_type == "video/webm":
        return _is_webm(file)
    return True


def _has_all_boxes(file: Bytes) -> bool:
    """ISO/IEC 14496-12: boxes of a size and a type fill the file; ``ftyp`` comes first, ``moov`` describes it."""
    seen: set[bytes] = set()
    position = 0
    for _ in range(_MAX_BOXES):
        if position == file.size:
            return b"moov" in seen and (b"mdat" in seen or b"moof" in seen)
        header = file.part(position, 16)
        if len(header) < 8 or (not seen and header[4:8] != b"ftyp"):
            return False
        seen.add(header[4:8])
        size = int.from_bytes(header[:4], "big")
        if size == 0:
            size = file.size - position
        elif size == 1:
            size = int.from_bytes(header[8:16], "big")
        if size < 8 or position + size > file.size:
            return False
        position += size
    return False


def _is_webm(file: Bytes) -> bool:
    """RFC 8794: an EBML header that says webm, then a segment that ends within the file."""
    head = file.part(0, 4096)
    header_size, start = _vint(head, 4)
    segment = start + header_size
    if header_size < 0 or b"webm" not in head[start:segment] or head[segment : segment + 4] != b"\x18\x53\x80\x67":
        return False
    size, start = _vint(head, segment + 4)
    return start + max(size, 1) <= file.size


def _vint(data: bytes, at: int) -> tuple[int, int]:
    """A number of variable length and where it ends; -1 for one that says nothing (live streams)."""
    if at >= len(data) or data[at] == 0:
        return -1, at
    length = 9 - data[at].bit_length()
    value = int.from_bytes(data[at : at + length], "big") & ((1 << (7 * length)) - 1)
    return (-1 if value == (1 << (7 * length)) - 1 else value), at + length
