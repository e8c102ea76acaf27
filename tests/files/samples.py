"""Files as phones and their enemies send them."""

from __future__ import annotations

import io
import struct
import zlib
from functools import cache
from typing import Any

from PIL import Image

PDF = b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"


def saved(image: Image.Image, kind: str, **how: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **how)
    return out.getvalue()


def image(kind: str = "JPEG", size: tuple[int, int] = (640, 480), **how: object) -> bytes:
    out = io.BytesIO()
    mode = "RGBA" if kind == "PNG" else "RGB"
    _picture(size).convert(mode).save(out, kind, **how)
    return out.getvalue()


@cache
def _picture(size: tuple[int, int]) -> Image.Image:
    return Image.effect_mandelbrot(size, (-2, -1.5, 1, 1.5), 50)


def photo_with_metadata() -> bytes:
    """Held sideways, with a place and a name in it."""
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "Secret Camera"
    exif.get_ifd(0x8825)[1] = "N"
    return image(exif=exif, comment=b"secret comment")


ANIMATED = ("GIF", "PNG", "WEBP")


def animation(frames: int = 4, kind: str = "GIF", size: tuple[int, int] = (64, 48), **how: object) -> bytes:
    """The first is the darkest."""
    out = io.BytesIO()
    images = [Image.new("RGB", size, (60 * n % 255, 10, 10)) for n in range(frames)]
    images[0].save(out, kind, **{"save_all": True, "append_images": images[1:], "duration": 50, "loop": 0, **how})
    return out.getvalue()


def png_bomb(side: int = 50_000) -> bytes:
    """A small file that says it is an enormous picture, and is one."""
    row = zlib.compress(b"\0" * (side // 8 + 1) * 64, 9)
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0))
        + _chunk(b"IDAT", row)
        + _chunk(b"IEND", b"")
    )


def png_with_a_text_bomb() -> bytes:
    """3 MB that unfold to 2.7 GB of comments."""
    text = zlib.compress(bytes(900_000), 9)
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 0))
        + b"".join(_chunk(b"zTXt", b"k%d\0\0" % number + text) for number in range(3000))
        + _chunk(b"IDAT", zlib.compress(bytes(72)))
        + _chunk(b"IEND", b"")
    )


def gif_of(frames: int, width: int = 700, height: int = 700) -> bytes:
    """Each frame is one pixel."""
    head = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\x00"
    return head + frame * frames + b"\x3b"


def gif_frame_outside() -> bytes:
    """A small canvas whose only frame says that it is 4 gigapixels large."""
    frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, 65535, 65535, 0) + b"\x02\x02\x44\x01\x00"
    return gif_of(0)[:-1] + frame + b"\x3b"


def jpeg_of_scans(scans: int, size: tuple[int, int] = (640, 480)) -> bytes:
    """A progressive JPEG with its last scan over and over: each goes over all pixels again."""
    whole = image("JPEG", size, progressive=True)
    last = whole.rindex(b"\xff\xda")
    return whole[:last] + whole[last:-2] * (scans - whole.count(b"\xff\xda") + 1) + whole[-2:]


def webp_bomb() -> bytes:
    """Says that it has 268 megapixels."""
    small = image("WEBP", (16, 16), lossless=True)
    start = small.index(b"VP8L") + 9
    sides = int.from_bytes(small[start : start + 4], "little") | 0xFFFFFFF
    return small[:start] + sides.to_bytes(4, "little") + small[start + 4 :]


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def box(name: bytes, data: bytes = b"") -> bytes:
    return struct.pack(">I", 8 + len(data)) + name + data


def mp4(size: int = 1000, brand: bytes = b"isom") -> bytes:
    compatible = b"iso2avc1mp41" if brand == b"isom" else b""
    head = box(b"ftyp", brand + b"\0\0\x02\0" + brand + compatible) + box(b"moov", b"\0" * 100)
    return head + box(b"mdat", bytes(n % 251 for n in range(size)))


def webm() -> bytes:
    header = bytes.fromhex("4286810142f7810142f2810442f381084282847765626d4287810442858102")
    body = b"\x15\x49\xa9\x66\x80"
    start = b"\x1a\x45\xdf\xa3" + bytes([0x80 | len(header)]) + header
    return start + b"\x18\x53\x80\x67" + bytes([0x80 | len(body)]) + body
