"""The program of the process that decodes images: one at a time from standard input, the results to standard output.

Its arguments are how many seconds of CPU an image may take, and how many pixels and frames it may have, in JSON. It
writes ``+`` when it is ready. A request is 8 bytes of length and the image; an answer is 4 bytes of length, a JSON
header with the seconds of CPU that the image took, and the two images that it announces. Only the standard library,
Pillow and its reader of HEIC: what it decodes comes from strangers.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import resource
import signal
import struct
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pillow_heif
from PIL import ExifTags, Image, ImageCms, ImageOps, PngImagePlugin

# What is stored for each that is read. A photo with more than one view (MPO) is a JPEG with others behind it; the first
# is kept. Nothing but phones shows HEIC.
FORMATS = {"JPEG": "JPEG", "MPO": "JPEG", "HEIF": "JPEG", "PNG": "PNG", "WEBP": "WEBP", "GIF": "GIF"}
TYPES = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp", "GIF": "image/gif"}
READ_TYPES = {**TYPES, "MPO": "image/jpeg", "HEIF": "image/heic"}
# Those that may move.
ANIMATED = frozenset({"PNG", "WEBP", "GIF"})
# Anew, an image may take more than it did, but not any amount.
MAX_BYTES = 20_000_000
THUMBNAIL = (320, 320)
MEMORY_BYTES = 1_000_000_000
# The server itself comes first.
NICENESS = 5
# What a large image took is given back by ending the process.
TIRED_KILOBYTES = 150_000
# Above it, what makes files a little smaller takes seconds; of PNGs sooner.
_LARGE = 12_000_000
_LARGE_PNG = 2_000_000
_QUALITIES = (88, 70)

Part = tuple[dict[str, Any], bytes]


class RefusedImage(Exception):
    """Why an image is not taken."""


class OversizedImage(Exception):
    """``too_large`` of the answer: the type and size of an image with too many pixels, the frames of too long a one."""

    def __init__(self, **what: Any) -> None:
        super().__init__()
        self.what = what


@dataclass(frozen=True)
class ImageLimits:
    """``pixels`` by media type; ``animated_pixels`` of all frames together."""

    pixels: dict[str, int]
    frames: int
    animated_pixels: int


def main() -> None:
    limits = ImageLimits(**json.loads(sys.argv[2]))
    confine(limits)
    source, out, seconds = sys.stdin.buffer, sys.stdout.buffer, float(sys.argv[1])
    out.write(b"+")
    out.flush()
    while len(length := source.read(8)) == 8:
        data = source.read(struct.unpack(">Q", length)[0])
        limit_time(seconds)
        began = used()
        header, bodies = answer(data, limits)
        header["seconds"] = used() - began
        limit_time(0)
        header["tired"] = has_grown()
        encoded = json.dumps(header).encode()
        out.write(struct.pack(">I", len(encoded)) + encoded)
        for body in bodies:
            out.write(body)
        out.flush()


def confine(limits: ImageLimits) -> None:
    """No more memory than this, no files, no dumps; a doubtful size is an error."""
    os.nice(NICENESS)
    # Whatever the server inherited and did not know of: uvloop passes it on, and copies of these three.
    os.closerange(3, max(os.sysconf("SC_OPEN_MAX"), 4096))
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    Image.preinit()
    # No threads: each takes address space of its own, and their time is not to be had beside the image's.
    pillow_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False, decode_threads=0)
    Image.MAX_IMAGE_PIXELS = max(limits.pixels.values())
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def limit_time(seconds: float) -> None:
    """Of CPU, for the image that comes now, or none with 0. The kernel ends the process with SIGPROF, even when nobody
    waits for the answer any more."""
    signal.setitimer(signal.ITIMER_PROF, seconds)


def used() -> float:
    """Seconds of CPU so far."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def has_grown() -> bool:
    """Not by ``ru_maxrss``: that begins with what the server itself had when it started this process."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        # Not on this platform.
        return False
    return int(status.partition("VmHWM:")[2].split()[0]) > TIRED_KILOBYTES


def answer(data: bytes, limits: ImageLimits) -> tuple[dict[str, Any], list[bytes]]:
    try:
        parts = make(io.BytesIO(data), limits)
    except RefusedImage as error:
        return {"error": str(error)}, []
    except OversizedImage as error:
        return {"too_large": error.what}, []
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        return {"too_large": {}}, []
    except MemoryError:
        return {"error": "takes too much memory to decode"}, []
    except Exception:
        # Pillow's decoders raise whatever a broken file leads them to.
        return {"error": "is damaged or incomplete"}, []
    return {"images": [header for header, _ in parts]}, [body for _, body in parts]


def make(data: io.BytesIO, limits: ImageLimits) -> list[Part]:
    """The image and its thumbnail."""
    with Image.open(data, formats=(*TYPES, "HEIF")) as image:
        kind, source = FORMATS[image.format or ""], READ_TYPES[image.format or ""]
        if image.width * image.height > limits.pixels[source]:
            raise OversizedImage(content_type=source, size=image.size)
        moves = kind in ANIMATED and is_animation(image)
        if moves and getattr(image, "default_image", False):
            # A still for whoever can't show what moves, and none of its frames.
            image.seek(1)
        image.load()
        still = plain(image, kind)
        whole = animation(image, kind, limits) if moves else encoded(still, kind)
        if len(whole) > MAX_BYTES:
            raise RefusedImage("is too detailed")
        parts = [part(whole, kind, still)]
        still.thumbnail(THUMBNAIL)
        small_kind = "PNG" if still.mode == "RGBA" else "JPEG"
        return [*parts, part(encoded(still, small_kind), small_kind, still)]


def is_animation(image: Image.Image) -> bool:
    """Not by the number of frames: of a GIF, Pillow counts them by decoding all. A single frame moves nothing."""
    if image.format == "PNG":
        return int(getattr(image, "n_frames", 1)) > (2 if getattr(image, "default_image", False) else 1)
    return bool(getattr(image, "is_animated", False))


def part(data: bytes, kind: str, image: Image.Image) -> Part:
    return {"type": TYPES[kind], "width": image.width, "height": image.height, "size": len(data)}, data


def plain(image: Image.Image, kind: str) -> Image.Image:
    """Pixels and nothing else: turned as its camera was held, in sRGB, in a mode that the format has."""
    turned = in_srgb(upright(image))
    if kind == "JPEG" and turned.mode == "RGBA":
        bare = Image.new("RGB", turned.size, "white")
        bare.paste(turned, mask=turned.getchannel("A"))
        return bare
    bare = Image.new(turned.mode, turned.size)
    bare.paste(turned)
    return bare


def upright(image: Image.Image) -> Image.Image:
    """A copy of a large image costs a tenth of its time, and memory: only what is turned is one."""
    if image.getexif().get(ExifTags.Base.Orientation, 1) == 1:
        return image
    return ImageOps.exif_transpose(image)


def in_srgb(image: Image.Image) -> Image.Image:
    profile = image.info.get("icc_profile")
    image = in_known_mode(image)
    if not profile or image.mode == "L":
        return image.convert("RGB") if image.mode == "CMYK" else image
    alpha = image.getchannel("A") if image.mode == "RGBA" else None
    colours = image.convert("RGB") if alpha else image
    try:
        its, srgb = ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB")
        changed = ImageCms.profileToProfile(colours, its, srgb, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        # A profile that is none, or not of these colours.
        changed = None
    colours = changed or colours.convert("RGB")
    if alpha:
        colours.putalpha(alpha)
    return colours


def in_known_mode(image: Image.Image) -> Image.Image:
    if (image.mode in ("L", "RGB", "RGBA", "CMYK") and not image.has_transparency_data) or image.mode == "RGBA":
        return image
    if image.mode.startswith("I"):
        # 16 bits a pixel; converted as they are, all but the darkest would be white.
        return image.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    if image.mode == "1":
        return image.convert("L")
    return image.convert("RGBA" if image.has_transparency_data else "RGB")


def encoded(image: Image.Image, kind: str) -> bytes:
    small = image.width * image.height <= _LARGE
    if kind == "PNG":
        return saved(image, kind, compress_level=6 if image.width * image.height <= _LARGE_PNG else 1)
    if kind == "GIF":
        return saved(image, kind)
    for quality in _QUALITIES:
        if kind == "WEBP":
            data = saved(image, kind, quality=quality, method=4 if small else 0)
        else:
            rgb = image if image.mode == "RGB" else image.convert("RGB")
            data = saved(rgb, kind, quality=quality, optimize=small, progressive=small)
        if len(data) <= MAX_BYTES:
            break
    return data


def animation(image: Image.Image, kind: str, limits: ImageLimits) -> bytes:
    """From the frame on at which the image is, each as long as it was; as often as it was, or for ever."""
    frames: list[Image.Image] = []
    durations: list[int] = []
    pixels, first = 0, image.tell()
    how = {"loop": image.info["loop"]} if "loop" in image.info else {}
    with contextlib.suppress(EOFError):
        while True:
            image.seek(first + len(frames))
            pixels += image.width * image.height
            if len(frames) == limits.frames or pixels > limits.animated_pixels:
                raise OversizedImage(frames=len(frames) + 1)
            frame = in_srgb(upright(image)).convert("RGBA")
            # Comments, profiles and a still before the first frame would be written again.
            frame.info.clear()
            frames.append(frame)
            # Known once it is decoded.
            durations.append(max(20, min(int(image.info.get("duration", 100)), 10_000)))
    if kind == "PNG":
        how["compress_level"] = 6 if pixels <= _LARGE_PNG else 1
        # Each is whole: what was before it is not to be seen through it.
        how |= {"blend": PngImagePlugin.Blend.OP_SOURCE, "disposal": PngImagePlugin.Disposal.OP_NONE}
    elif kind == "GIF" and any(frame.getchannel("A").getextrema() != (255, 255) for frame in frames):
        # Or what was before it is seen through it.
        how["disposal"] = 2
    elif kind == "WEBP":
        how["method"] = 4 if pixels <= _LARGE else 0
    return saved(frames[0], kind, save_all=True, append_images=frames[1:], duration=durations, **how)


def saved(image: Image.Image, kind: str, **how: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **how)
    return out.getvalue()


if __name__ == "__main__":
    main()
