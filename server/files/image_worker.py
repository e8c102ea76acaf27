"""The program of the process that decodes images: one at a time from standard input, the results to standard output.

Its argument is how many seconds of CPU an image may take. It writes ``+`` when it is ready. A request is 8 bytes of
length and the image; an answer is 4 bytes of length, a JSON header with the seconds of CPU that the image took, and the
two images that it announces. Only the standard library and Pillow: what it decodes comes from strangers.
"""

from __future__ import annotations

import io
import json
import os
import resource
import signal
import struct
import sys
import warnings
from pathlib import Path
from typing import Any

from PIL import Image, ImageCms, ImageOps, ImageSequence

# A photo with more than one view (MPO) is a JPEG with others behind it; the first is kept.
FORMATS = {"JPEG": "JPEG", "MPO": "JPEG", "PNG": "PNG", "WEBP": "WEBP", "GIF": "GIF"}
TYPES = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp", "GIF": "image/gif"}
# The largest photos that phones take; other formats cost several times as much a pixel.
MAX_PIXELS = {"JPEG": 50_000_000, "PNG": 25_000_000, "WEBP": 25_000_000, "GIF": 25_000_000}
# Of all frames of an animation together; of a longer one the first frame is kept.
MAX_ANIMATED_PIXELS = 50_000_000
MAX_FRAMES = 300
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


class Unfit(Exception):
    """Why an image is not taken."""


def main() -> None:
    confine()
    source, out, seconds = sys.stdin.buffer, sys.stdout.buffer, float(sys.argv[1])
    out.write(b"+")
    out.flush()
    while len(length := source.read(8)) == 8:
        data = source.read(struct.unpack(">Q", length)[0])
        limit_time(seconds)
        began = used()
        header, bodies = answer(data)
        header["seconds"] = used() - began
        limit_time(0)
        header["tired"] = has_grown()
        encoded = json.dumps(header).encode()
        out.write(struct.pack(">I", len(encoded)) + encoded)
        for body in bodies:
            out.write(body)
        out.flush()


def confine() -> None:
    """No more memory than this, no files, no dumps; a doubtful size is an error."""
    os.nice(NICENESS)
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    Image.preinit()
    Image.MAX_IMAGE_PIXELS = max(MAX_PIXELS.values())
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


def answer(data: bytes) -> tuple[dict[str, Any], list[bytes]]:
    try:
        parts = make(io.BytesIO(data))
    except Unfit as error:
        return {"error": str(error)}, []
    except (Image.DecompressionBombError, Image.DecompressionBombWarning, MemoryError):
        return {"error": "has too many pixels"}, []
    except Exception:
        # Pillow's decoders raise whatever a broken file leads them to.
        return {"error": "is damaged or incomplete"}, []
    return {"images": [header for header, _ in parts]}, [body for _, body in parts]


def make(data: io.BytesIO) -> list[Part]:
    """The image and its thumbnail."""
    with Image.open(data, formats=tuple(TYPES)) as image:
        kind = FORMATS[image.format or ""]
        if image.width * image.height > MAX_PIXELS[kind]:
            raise Unfit("has too many pixels")
        moves = is_short_animation(image, kind, data.getbuffer())
        image.load()
        still = plain(image)
        whole = animation(image, kind) if moves else encoded(still, kind)
        if len(whole) > MAX_BYTES:
            raise Unfit("is too detailed")
        parts = [part(whole, kind, still)]
        still.thumbnail(THUMBNAIL)
        small_kind = "PNG" if still.mode == "RGBA" else "JPEG"
        return [*parts, part(encoded(still, small_kind), small_kind, still)]


def part(data: bytes, kind: str, image: Image.Image) -> Part:
    return {"type": TYPES[kind], "width": image.width, "height": image.height, "size": len(data)}, data


def is_short_animation(image: Image.Image, kind: str, data: memoryview) -> bool:
    most = min(MAX_FRAMES, MAX_ANIMATED_PIXELS // (image.width * image.height))
    if kind == "GIF":
        return 1 < frames_of_gif(data, most + 1) <= most
    return kind == "WEBP" and 1 < getattr(image, "n_frames", 1) <= most


def frames_of_gif(data: memoryview, most: int) -> int:
    """Counted by the blocks of the file, up to ``most``: Pillow goes through all of them, for minutes if it has to."""
    frames, at = 0, 13 + _colours(data[10])
    while frames < most and at < len(data) and data[at] != 0x3B:
        if data[at] == 0x2C:
            frames += 1
            at += 11 + _colours(data[at + 9])
        elif data[at] == 0x21:
            at += 2
        else:
            break
        while data[at]:
            at += 1 + data[at]
        at += 1
    return frames


def _colours(flags: int) -> int:
    """How long the table of colours is that follows."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def plain(image: Image.Image) -> Image.Image:
    """Pixels and nothing else: turned as its camera was held, in sRGB, in a mode that every format has."""
    turned = in_srgb(ImageOps.exif_transpose(image))
    bare = Image.new(turned.mode, turned.size)
    bare.paste(turned)
    return bare


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
            data = saved(image.convert("RGB"), kind, quality=quality, optimize=small, progressive=small)
        if len(data) <= MAX_BYTES:
            break
    return data


def animation(image: Image.Image, kind: str) -> bytes:
    frames, durations = [], []
    for frame in ImageSequence.Iterator(image):
        durations.append(max(20, min(int(frame.info.get("duration", 100)), 10_000)))
        frames.append(frame.convert("RGBA"))
    return saved(frames[0], kind, save_all=True, append_images=frames[1:], duration=durations, loop=0)


def saved(image: Image.Image, kind: str, **how: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **how)
    return out.getvalue()


if __name__ == "__main__":
    main()
