"""The program of the process that decodes images: one at a time from standard input, the results to standard output.

A request is 8 bytes of length and the image; an answer is 4 bytes of length, a JSON header, and the two images that
it announces. Only the standard library and Pillow: what it decodes comes from strangers.
"""

from __future__ import annotations

import io
import json
import resource
import struct
import sys
from typing import Any, BinaryIO

from PIL import Image, ImageCms, ImageOps, ImageSequence

FORMATS = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp", "GIF": "image/gif"}
MAX_PIXELS = 50_000_000
# Of all frames of an animation together.
MAX_ANIMATED_PIXELS = 100_000_000
MAX_FRAMES = 300
THUMBNAIL = (320, 320)
MEMORY_BYTES = 1_500_000_000
_QUALITY = 88


class Unfit(Exception):
    """Why an image is not taken."""


def main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    source, out = sys.stdin.buffer, sys.stdout.buffer
    while len(length := source.read(8)) == 8:
        header, bodies = answer(source.read(struct.unpack(">Q", length)[0]))
        encoded = json.dumps(header).encode()
        out.write(struct.pack(">I", len(encoded)) + encoded)
        for body in bodies:
            out.write(body)
        out.flush()


def answer(data: bytes) -> tuple[dict[str, Any], list[bytes]]:
    try:
        parts = make(io.BytesIO(data))
    except Unfit as error:
        return {"error": str(error)}, []
    except (Image.DecompressionBombError, MemoryError):
        return {"error": "has too many pixels"}, []
    except Exception:
        # Pillow's decoders raise whatever a broken file leads them to.
        return {"error": "is damaged or incomplete"}, []
    return {"images": [header for header, _ in parts]}, [body for _, body in parts]


def make(data: BinaryIO) -> list[tuple[dict[str, Any], bytes]]:
    """The image and its thumbnail."""
    with Image.open(data, formats=tuple(FORMATS)) as image:
        kind = image.format or ""
        width, height = image.size
        frames = getattr(image, "n_frames", 1)
        if width * height > MAX_PIXELS:
            raise Unfit("has too many pixels")
        if frames > MAX_FRAMES or width * height * frames > MAX_ANIMATED_PIXELS:
            frames = 1
        image.load()
        first = plain(image)
        whole = animation(image, kind) if frames > 1 and kind in ("GIF", "WEBP") else encoded(first, kind)
        small = first.copy()
        small.thumbnail(THUMBNAIL)
        thumbnail_kind = "PNG" if first.mode in ("RGBA", "LA", "P") else "JPEG"
        thumbnail = encoded(small, thumbnail_kind)
        return [(described(whole, kind), whole), (described(thumbnail, thumbnail_kind), thumbnail)]


def plain(image: Image.Image) -> Image.Image:
    """Turned as its camera was held, in sRGB, in a mode that every format knows."""
    turned = ImageOps.exif_transpose(image)
    profile = turned.info.get("icc_profile")
    if turned.mode not in ("RGB", "RGBA", "L"):
        turned = turned.convert("RGBA" if turned.has_transparency_data else "RGB")
    if profile and turned.mode == "RGB":
        try:
            srgb = ImageCms.createProfile("sRGB")
            changed = ImageCms.profileToProfile(turned, ImageCms.ImageCmsProfile(io.BytesIO(profile)), srgb)
            turned = changed or turned
        except (ImageCms.PyCMSError, OSError, ValueError):
            pass
    bare = Image.new(turned.mode, turned.size)
    bare.paste(turned)
    return bare


def encoded(image: Image.Image, kind: str) -> bytes:
    out = io.BytesIO()
    if kind == "JPEG":
        image.convert("RGB").save(out, "JPEG", quality=_QUALITY, optimize=True, progressive=True)
    elif kind == "WEBP":
        image.save(out, "WEBP", quality=_QUALITY)
    else:
        image.save(out, kind, optimize=kind == "PNG" and image.width * image.height < 4_000_000)
    return out.getvalue()


def animation(image: Image.Image, kind: str) -> bytes:
    frames, durations = [], []
    for frame in ImageSequence.Iterator(image):
        durations.append(max(20, min(int(frame.info.get("duration", 100)), 10_000)))
        frames.append(frame.convert("RGBA"))
    out = io.BytesIO()
    frames[0].save(out, kind, save_all=True, append_images=frames[1:], duration=durations, loop=0)
    return out.getvalue()


def described(data: bytes, kind: str) -> dict[str, Any]:
    with Image.open(io.BytesIO(data)) as image:
        return {"type": FORMATS[kind], "width": image.width, "height": image.height, "size": len(data)}


if __name__ == "__main__":
    main()
