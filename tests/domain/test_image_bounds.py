"""What an image would cost its decoder is counted before it is decoded."""

from __future__ import annotations

import contextlib
import io
import random
import struct

import pytest
from PIL import Image

from domain.image_bounds import (
    MAX_BLOCKS,
    MAX_CHUNKS,
    MAX_SCANS,
    MAX_SEGMENTS,
    require_within_bounds,
)
from domain.image_limits import MAX_FRAMES, MAX_PIXELS, ImageTooLarge, TooMuch, require_few_pixels, too_many_pixels
from tests.files import heic, samples


class InMemory:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self.size = len(data)
        self.reads = 0

    def part(self, start: int, length: int) -> bytes:
        self.reads += 1
        return self._data[start : start + length]


def require(kind: str, data: bytes) -> None:
    file = InMemory(data)
    require_within_bounds(f"image/{kind}", file)
    # Through a window, not byte by byte.
    assert file.reads < 10 + len(data) / 100_000


def png(*chunks: bytes) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + b"".join(struct.pack(">I", 0) + kind + b"\0\0\0\0" for kind in chunks)


def webp(*chunks: bytes) -> bytes:
    return b"RIFF\0\0\0\0WEBP" + b"".join(kind + struct.pack("<I", 3) + b"abc\0" for kind in chunks)


@pytest.mark.parametrize(
    ("kind", "data", "reason"),
    [
        ("jpeg", samples.jpeg_of_scans(MAX_SCANS), None),
        ("jpeg", samples.jpeg_of_scans(MAX_SCANS + 1), "scans"),
        ("jpeg", samples.jpeg_of_scans(3000, (64, 48)), "scans"),
        ("jpeg", b"\xff\xd8" + b"\xff\xe0\0\2" * (MAX_SEGMENTS + 1), "segments"),
        # Nonsense before each marker, and markers that begin more than once, are passed over by decoders.
        ("jpeg", b"\xff\xd8" + b"ab\0\xff\xff\xff\xda\0\2" * (MAX_SCANS + 1), "scans"),
        # Restarts and stuffed zeros are no markers.
        ("jpeg", b"\xff\xd8\xff\xda\0\2" + b"\xff\0\xff\xd3" * 500_000, None),
        ("png", png(*[b"IDAT"] * (MAX_CHUNKS - 2)), None),
        ("png", png(*[b"IDAT"] * (MAX_CHUNKS + 1)), "chunks"),
        ("png", png(*[b"fcTL"] * (MAX_FRAMES + 1)), "frames"),
        ("webp", webp(*[b"EXIF"] * (MAX_CHUNKS + 1)), "chunks"),
        ("webp", webp(*[b"ANMF"] * (MAX_FRAMES + 1)), "frames"),
        ("gif", samples.gif_of(MAX_FRAMES, 200, 200), None),
        ("gif", samples.gif_of(MAX_FRAMES + 1, 200, 200), "frames"),
        ("gif", samples.gif_of(103), "103 frames of 700 x 700 pixels; at most 1,000 frames of 50 megapixels"),
        ("gif", samples.gif_frame_outside(), "65,535 x 65,535 pixels; at most 25 megapixels .25,000,000 pixels."),
        ("png", samples.png_bomb(5001), "5,001 x 5,001 pixels; at most 25 megapixels .25,000,000 pixels. .* as PNG"),
        ("webp", samples.webp_bomb(), "16,384 x 16,384 pixels"),
        ("jpeg", b"\xff\xd8\xff\xc0\0\x11\x08\x1b\x59\x1c\x5a", "7,258 x 7,001"),
        ("gif", samples.gif_of(0)[:-1] + b"\x21\xf9" + b"\1\0" * (MAX_BLOCKS + 1), "blocks"),
        ("gif", samples.gif_of(0)[:-1] + b"\x21\xf9\0" * (MAX_BLOCKS + 1), "blocks"),
        ("gif", samples.gif_of(0)[:-1] + b"\0" * (MAX_BLOCKS + 1), "blocks"),
    ],
)
def test_too_much_is_refused(kind: str, data: bytes, reason: str | None) -> None:
    if reason is None:
        require(kind, data)
        return
    with pytest.raises(TooMuch, match=reason):
        require(kind, data)


@pytest.mark.parametrize("kind", sorted(MAX_PIXELS))
def test_as_many_pixels_as_may_be_are_not_too_many(kind: str) -> None:
    error = too_many_pixels(kind, (1, MAX_PIXELS[kind] + 1))
    require_few_pixels(kind, (1, MAX_PIXELS[kind]))
    with pytest.raises(ImageTooLarge, match=f"{MAX_PIXELS[kind]:,} pixels"):
        require_few_pixels(kind, (1, MAX_PIXELS[kind] + 1))
    assert error.limit in str(error)


def test_a_scan_across_the_edge_of_a_window_is_seen() -> None:
    for offset in range(256 * 1024 - 8, 256 * 1024 + 2):
        data = b"\xff\xd8" + b"x" * (offset - 2) + b"\xff\xda\0\2" * (MAX_SCANS + 1)
        with pytest.raises(TooMuch, match="scans"):
            require("jpeg", data)


def test_honest_images_are_far_from_it() -> None:
    noise = Image.frombytes("RGB", (1500, 1000), random.Random(1).randbytes(4_500_000))
    for kind in ("JPEG", "PNG", "WEBP", "GIF"):
        out = io.BytesIO()
        noise.save(out, kind, progressive=True, compress_level=1, method=0)
        require(kind.lower(), out.getvalue())
    require("gif", samples.animation(300))


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "gif"])
def test_whatever_breaks_off_is_left_to_the_decoder(kind: str) -> None:
    whole = samples.image(kind.upper(), (64, 48))
    for end in range(0, len(whole), 7):
        require_within_bounds(f"image/{kind}", InMemory(whole[:end]))
    chance = random.Random(kind)
    for _ in range(300):
        damaged = bytearray(whole)
        for _ in range(5):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        with contextlib.suppress(ImageTooLarge):
            require_within_bounds(f"image/{kind}", InMemory(bytes(damaged)))


def test_no_heic_is_too_strange() -> None:
    """Whatever becomes of it, it is read or refused."""
    whole = heic.grid((200, 100), 64)
    require_within_bounds("image/heic", InMemory(whole))
    for end in range(0, len(whole) - 1, 5):
        with pytest.raises(TooMuch):
            require_within_bounds("image/heic", InMemory(whole[:end]))
    chance = random.Random("heic")
    described = whole.index(b"mdat")
    for _ in range(2000):
        damaged = bytearray(whole)
        for _ in range(3):
            damaged[chance.randrange(24, described)] = chance.choice((0, 1, 255, chance.randrange(256)))
        with contextlib.suppress(TooMuch):
            require_within_bounds("image/heic", InMemory(bytes(damaged)))
