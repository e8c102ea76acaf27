"""What a file is, by its first bytes: only what is wanted is known here, and each by all that its format fixes."""

from __future__ import annotations

# Enough for every signature, with an EBML header as long as any muxer writes.
HEAD_BYTES = 4096
# Start of image, then a marker with which JFIF, EXIF and bare JPEGs go on.
_JPEG_MARKERS = frozenset({*range(0xE0, 0xF0), 0xDB, 0xC0, 0xC1, 0xC2, 0xC4, 0xDD, 0xFE})
_WEBP_CHUNKS = frozenset({b"VP8 ", b"VP8L", b"VP8X"})
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
    return "video/mp4" if brand in _MP4_BRANDS else None
