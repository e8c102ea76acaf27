"""HEIC files, as phones write them (a grid of tiles) and as their enemies do, put together box by box."""

from __future__ import annotations

import io
import random
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import pillow_heif
from PIL import Image, ImageCms, ImageFilter

from tests.files.samples import box


def encoded(image: Image.Image, **how: Any) -> bytes:
    """A file of one coded image, by the library's encoder, at its fastest."""
    out = io.BytesIO()
    heif = pillow_heif.from_pillow(image)
    heif.save(out, enc_params={"preset": "ultrafast"}, **how)
    return out.getvalue()


def full(name: bytes, data: bytes, version: int = 0, flags: int = 0) -> bytes:
    return box(name, struct.pack(">I", version << 24 | flags) + data)


def ispe(width: int, height: int) -> bytes:
    return full(b"ispe", struct.pack(">II", width, height))


@dataclass
class Item:
    """``references``: kind, and the numbers of the items referred to."""

    kind: bytes
    content: bytes = b""
    properties: Sequence[bytes] = ()
    references: Sequence[tuple[bytes, Sequence[int]]] = ()
    hidden: bool = False
    # Of ``mime``: after its name.
    strings: bytes = b""


def container(
    items: Sequence[Item], brand: bytes = b"heic", compatible: bytes = b"mif1heic", primary: int = 1
) -> bytes:
    """The items are numbered from 1; contents that are the same object are stored once."""
    head = box(b"ftyp", brand + b"\0\0\0\0" + compatible)
    stored: dict[int, int] = {}
    body = bytearray()
    for item in items:
        if id(item.content) not in stored:
            stored[id(item.content)] = len(body)
            body += item.content
    meta = _meta(items, stored, 0, primary)
    meta = _meta(items, stored, len(head) + len(meta) + 8, primary)
    return head + meta + box(b"mdat", bytes(body))


def _meta(items: Sequence[Item], stored: dict[int, int], start: int, primary: int) -> bytes:
    properties: list[bytes] = []
    infos, places, associations, references = b"", b"", b"", b""
    for number, item in enumerate(items, 1):
        info = struct.pack(">HH", number, 0) + item.kind + b"\0" + item.strings
        infos += full(b"infe", info, 2, int(item.hidden))
        places += struct.pack(">HHHII", number, 0, 1, start + stored[id(item.content)], len(item.content))
        indices = []
        for each in item.properties:
            if each not in properties:
                properties.append(each)
            indices.append(properties.index(each) + 1)
        associations += struct.pack(">HB", number, len(indices)) + bytes(index | 0x80 for index in indices)
        for kind, others in item.references:
            references += box(kind, struct.pack(f">HH{len(others)}H", number, len(others), *others))
    return full(
        b"meta",
        full(b"hdlr", b"\0\0\0\0pict" + bytes(13))
        + full(b"pitm", struct.pack(">H", primary))
        + full(b"iloc", b"\x44\0" + struct.pack(">H", len(items)) + places)
        + full(b"iinf", struct.pack(">H", len(items)) + infos)
        + box(
            b"iprp",
            box(b"ipco", b"".join(properties)) + full(b"ipma", struct.pack(">I", len(items)) + associations),
        )
        + (full(b"iref", references) if references else b""),
    )


def part_of(file: bytes, name: bytes) -> bytes:
    """The first box of that name, whole."""
    start = file.index(name) - 4
    return file[start : start + int.from_bytes(file[start : start + 4], "big")]


@cache
def tile(side: int = 512, quality: int = 60) -> tuple[bytes, bytes]:
    """A square of a photo, coded: its configuration (``hvcC``) and its data."""
    noise = Image.frombytes("RGB", (side, side), random.Random(1).randbytes(side * side * 3))
    plain = Image.effect_mandelbrot((side, side), (-2, -1.5, 1, 1.5), 50).convert("RGB")
    file = encoded(Image.blend(plain, noise.filter(ImageFilter.GaussianBlur(1)), 0.3), quality=quality)
    return part_of(file, b"hvcC"), part_of(file, b"mdat")[8:]


def grid(
    size: tuple[int, int],
    side: int = 512,
    *,
    said: tuple[int, int] | None = None,
    shape: tuple[int, int] | None = None,
    more: Sequence[Item] = (),
    properties: Sequence[bytes] = (),
    quality: int = 60,
) -> bytes:
    """As phones write photos: tiles of one size. ``said``: what the size is said to be. ``shape``: columns and rows."""
    configuration, data = tile(side, quality)
    columns, rows = shape or (-(-size[0] // side), -(-size[1] // side))
    descriptor = struct.pack(">BBBBII", 0, 1, rows - 1, columns - 1, *size)
    first = 2 + len(more)
    tiles = [Item(b"hvc1", data, (configuration, ispe(side, side)), hidden=True)] * (rows * columns)
    of_all = (ispe(*(said or size)), *properties)
    whole = Item(b"grid", descriptor, of_all, [(b"dimg", range(first, first + len(tiles)))])
    return container([whole, *more, *tiles])


def profile_of_another_red() -> bytes:
    """A colour profile in which red and blue have changed places."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for at in range(132, 132 + 12 * int.from_bytes(profile[128:132], "big"), 12):
        name = bytes(profile[at : at + 4])
        profile[at : at + 4] = {b"rXYZ": b"bXYZ", b"bXYZ": b"rXYZ"}.get(name, name)
    return bytes(profile)
