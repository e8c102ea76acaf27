"""What a file is, by its first bytes, and whether it is whole, by the structure of its format.

Only wanted formats are known, each by everything that its format fixes; what breaks off or pretends is refused.
"""

from __future__ import annotations

from typing import Protocol

# Enough for every signature, with an EBML header as long as any muxer writes.
HEAD_BYTES = 4096
# Start of image, then a marker with which JFIF, EXIF and bare JPEGs go on.
_JPEG_MARKERS = frozenset({*range(0xE0, 0xF0), 0xDB, 0xC0, 0xC1, 0xC2, 0xC4, 0xDD, 0xFE})
_WEBP_CHUNKS = frozenset({b"VP8 ", b"VP8L", b"VP8X"})
# Coded by HEVC, as phones do; sequences (hevc) and AVIF are not among them.
_HEIC_BRANDS = frozenset({b"heic", b"heix"})
# The brand of the file itself decides: a HEIC image may name mp42 among those it is compatible with.
_MP4_BRANDS = frozenset(
    {
        *(b"iso%d" % number for number in range(2, 10)),
        *(b"3gp%d" % number for number in range(4, 10)),
        *(b"isom", b"mp41", b"mp42", b"avc1", b"M4V ", b"M4VH", b"M4VP", b"MSNV", b"dash", b"cmfc", b"f4v ", b"XAVC"),
        *(b"hvc1", b"hev1", b"av01", b"3g2a", b"3gg6", b"ndsc", b"mmp4"),
    }
)


def type_of(head: bytes) -> str | None:
    """The media type; nothing for what is none of ours."""
    if head[:3] == b"\xff\xd8\xff" and len(head) > 3 and head[3] in _JPEG_MARKERS:
        return "image/jpeg"
    if head[:8] == b"\x89PNG\r\n\x1a\n" and head[12:16] == b"IHDR":
        return "image/png"
    if head[:6] in (b"GIF87a", b"GIF89a"):
        return "image/gif"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP" and head[12:16] in _WEBP_CHUNKS:
        return "image/webp"
    if head[:5] == b"%PDF-" and head[5:6].isdigit() and head[6:7] == b"." and head[7:8].isdigit():
        return "application/pdf"
    if head[:4] == b"\x1a\x45\xdf\xa3" and b"\x42\x82\x84webm" in head:
        return "video/webm"
    return _of_boxes(head)


def _of_boxes(head: bytes) -> str | None:
    """ISO/IEC 14496-12: the first box is ``ftyp``, of a size that a list of brands may have."""
    size = int.from_bytes(head[:4], "big")
    if head[4:8] != b"ftyp" or size % 4 or not 16 <= size <= 1024:
        return None
    brand = head[8:12]
    if brand == b"qt  ":
        return "video/quicktime"
    # Some phones name the container first and how it is coded after that.
    compatible = {head[at : at + 4] for at in range(16, size, 4)}
    if brand in _HEIC_BRANDS or (brand == b"mif1" and compatible & _HEIC_BRANDS):
        return "image/heic"
    return "video/mp4" if brand in _MP4_BRANDS else None


_TAIL = 2048
# More boxes at the top level than any recorder writes.
_MAX_BOXES = 100_000


class Bytes(Protocol):
    """A file at hand."""

    @property
    def size(self) -> int: ...
    def part(self, start: int, length: int) -> bytes: ...


def is_whole(content_type: str, file: Bytes) -> bool:
    """Not for images: decoding them shows it."""
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
