"""What an image would have its decoder do, counted by the structure of its format before anything is decoded.

A small file can ask for minutes: each scan of a progressive JPEG goes over all pixels again, each chunk and each frame
costs whatever it holds. The bounds are several times what cameras, phones and editors write.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from domain import heic_bounds
from domain.file_formats import Bytes
from domain.image_limits import TooMuch, require_few_frames, require_few_pixels

# libjpeg and MozJPEG write up to about 20 scans.
MAX_SCANS = 60
# Of a JPEG: profiles and panoramas bring a few hundred, tables of scans some more.
MAX_SEGMENTS = 2000
# Of PNG and WebP: at 8 KB of data each, as libpng writes them, 10 MB are 1,300.
MAX_CHUNKS = 10_000
# Of GIF: at 255 bytes, as everybody writes them, 10 MB are 40,000.
MAX_BLOCKS = 100_000

_WINDOW = 256 * 1024
# A marker is neither a stuffed zero nor a restart; any number of 0xFF may stand before it.
_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
_SOF = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
_SOI, _EOI, _SOS, _TEM = 0xD8, 0xD9, 0xDA, 0x01


def require_within_bounds(content_type: str, file: Bytes) -> None:
    """Waits for the disk. Raises ``TooMuch``; whether the image is whole, its decoder finds out."""
    if content_type == "image/heic":
        heic_bounds.require_within_bounds(file)
        return
    count = {"image/jpeg": _jpeg, "image/png": _png, "image/gif": _gif, "image/webp": _webp}.get(content_type)
    if count is not None:
        count(_Windows(file))


class _Windows:
    """A file read through a window, for who goes through it forwards."""

    def __init__(self, file: Bytes) -> None:
        self._file = file
        self._start = 0
        self._held = b""
        self.size = file.size

    def part(self, at: int, length: int) -> bytes:
        """Fewer bytes at the end; ``length`` is small."""
        if at < self._start or at + length > self._start + len(self._held):
            self._start, self._held = at, self._file.part(at, max(length, _WINDOW))
        return self._held[at - self._start : at - self._start + length]

    def next_marker(self, at: int) -> tuple[int, int] | None:
        """The next of a JPEG from there on, and where it ends."""
        while at < self.size:
            self.part(at, 2)
            found = _MARKER.search(self._held, at - self._start)
            if found is not None:
                return self._held[found.start() + 1], self._start + found.end()
            # The last byte may begin one.
            at = max(at + 1, self._start + len(self._held) - 1)
        return None


def _jpeg(file: _Windows) -> None:
    """ITU-T T.81, annex B: up to the end of the first image. As libjpeg, it passes over what lies between markers."""
    scans, at = 0, 0
    for _ in range(MAX_SEGMENTS):
        marker = file.next_marker(at)
        if marker is None or marker[0] == _EOI:
            return
        kind, at = marker
        if kind in (_SOI, _TEM):
            continue
        if kind in _SOF:
            head = file.part(at + 3, 4)
            require_few_pixels("image/jpeg", (_big(head[2:]), _big(head[:2])))
        scans += kind == _SOS
        if scans > MAX_SCANS:
            raise TooMuch(f"has more than {MAX_SCANS} scans")
        at += max(2, int.from_bytes(file.part(at, 2), "big"))
    raise TooMuch(f"has more than {MAX_SEGMENTS} segments")


def _png(file: _Windows) -> None:
    """PNG, third edition, 5.3 and 11.3.6: chunks, and frames by their control chunks."""
    frames, head = 0, file.part(16, 8)
    size = _big(head[:4]), _big(head[4:])
    require_few_pixels("image/png", size)
    for kind, _ in _chunks(file, 8, "big"):
        frames += kind == b"fcTL"
        require_few_frames(frames, size)
        if kind == b"IEND":
            return


def _webp(file: _Windows) -> None:
    """RFC 9649, 2.7."""
    frames, size, at = 0, (0, 0), 12
    for kind, length in _chunks(file, 12, "little"):
        found = _webp_size(kind, file.part(at + 8, 10))
        require_few_pixels("image/webp", found)
        if kind == b"VP8X":
            size = found
        at += 8 + length + length % 2
        frames += kind == b"ANMF"
        require_few_frames(frames, size)


def _webp_size(kind: bytes, head: bytes) -> tuple[int, int]:
    """Width and height that a chunk says: of the canvas, or of an image (RFC 6386, 9.1, and RFC 9649, 3.4)."""
    if kind == b"VP8X":
        return _little(head[4:7]) + 1, _little(head[7:]) + 1
    if kind == b"VP8L":
        sides = _little(head[1:5])
        return (sides & 0x3FFF) + 1, (sides >> 14 & 0x3FFF) + 1
    if kind == b"VP8 ":
        return _little(head[6:8]) & 0x3FFF, _little(head[8:]) & 0x3FFF
    return 0, 0


def _big(data: bytes) -> int:
    return int.from_bytes(data, "big")


def _little(data: bytes) -> int:
    return int.from_bytes(data, "little")


def _chunks(file: _Windows, at: int, order: str) -> Iterator[tuple[bytes, int]]:
    """Kind and length of each: PNG's length comes first and a checksum last, RIFF's come in pairs of bytes."""
    for _ in range(MAX_CHUNKS):
        head = file.part(at, 8)
        if len(head) < 8:
            return
        if order == "big":
            kind, length = head[4:], int.from_bytes(head[:4], "big")
            at += 12 + length
        else:
            kind, length = head[:4], int.from_bytes(head[4:], "little")
            at += 8 + length + length % 2
        yield kind, length
    raise TooMuch(f"has more than {MAX_CHUNKS} chunks")


def _gif(file: _Windows) -> None:
    """GIF89a: images and extensions, each of blocks of up to 255 bytes."""
    frames, blocks, at, head = 0, 0, 13 + _colours(file.part(10, 1)), file.part(6, 4)
    size = _little(head[:2]), _little(head[2:])
    require_few_pixels("image/gif", size)
    while kind := file.part(at, 1):
        if kind == b"\x3b":
            return
        if kind == b"\x2c":
            frames += 1
            # A frame may reach beyond the canvas; decoders make that larger.
            frame = file.part(at + 1, 8)
            reach = [_little(frame[n : n + 2]) + _little(frame[n + 4 : n + 6]) for n in (0, 2)]
            size = max(size[0], reach[0]), max(size[1], reach[1])
            require_few_pixels("image/gif", size)
            require_few_frames(frames, size)
            at += 11 + _colours(file.part(at + 9, 1))
        elif kind == b"\x21":
            at += 2
        else:
            # Decoders pass over it.
            blocks = _one_more(blocks)
            at += 1
            continue
        while length := file.part(at, 1):
            blocks = _one_more(blocks)
            at += 1 + length[0]
            if not length[0]:
                break


def _one_more(blocks: int) -> int:
    if blocks == MAX_BLOCKS:
        raise TooMuch(f"has more than {MAX_BLOCKS} blocks")
    return blocks + 1


def _colours(flags: bytes) -> int:
    """How long the table of colours is that follows."""
    return 3 << ((flags[0] & 7) + 1) if flags and flags[0] & 0x80 else 0
