"""How large an image may be, and the words for one that is too large. What decodes images is given the same numbers."""

from __future__ import annotations

# The largest photos that phones take; other formats cost several times as much a pixel.
MAX_PIXELS = {
    "image/jpeg": 50_000_000,
    "image/heic": 50_000_000,
    "image/png": 25_000_000,
    "image/webp": 25_000_000,
    "image/gif": 25_000_000,
}
# Of an animation; at 20 a second most of a minute.
MAX_FRAMES = 1000
# Of all its frames together: they are decoded and encoded within the time of one image.
MAX_ANIMATED_PIXELS = 50_000_000


class TooMuch(Exception):
    """In words that go behind "The image"."""


class ImageTooLarge(TooMuch):
    """Of a kind that is taken, but more of it than is; ``limit`` in words."""

    def __init__(self, what: str, limit: str) -> None:
        super().__init__(f"{what}; {limit}")
        self.limit = limit


def too_many_pixels(content_type: str | None = None, size: tuple[int, int] | None = None) -> ImageTooLarge:
    """``size`` in pixels; each if it is known."""
    most = MAX_PIXELS.get(content_type or "", max(MAX_PIXELS.values()))
    what = f"has {size[0]:,} x {size[1]:,} pixels" if size is not None else "has too many pixels"
    kind = f" as {content_type.partition('/')[2].upper()}" if content_type is not None else ""
    return ImageTooLarge(what, f"at most {most // 1_000_000} megapixels ({most:,} pixels) are taken{kind}")


def require_few_pixels(content_type: str, size: tuple[int, int]) -> None:
    """Raises ``ImageTooLarge``."""
    if size[0] * size[1] > MAX_PIXELS[content_type]:
        raise too_many_pixels(content_type, size)


def too_many_frames(frames: int, size: tuple[int, int] | None = None) -> ImageTooLarge:
    """``size`` of each, in pixels, if it is that."""
    if frames > MAX_FRAMES or size is None:
        what = f"has more than {min(frames, MAX_FRAMES):,} frames"
    else:
        what = f"has {frames:,} frames of {size[0]:,} x {size[1]:,} pixels"
    together = f"{MAX_ANIMATED_PIXELS // 1_000_000} megapixels ({MAX_ANIMATED_PIXELS:,} pixels) together"
    return ImageTooLarge(what, f"at most {MAX_FRAMES:,} frames of {together} are taken")


def require_few_frames(frames: int, size: tuple[int, int]) -> None:
    """``size`` of each, in pixels; raises ``ImageTooLarge``."""
    if frames > MAX_FRAMES or (frames > 1 and frames * size[0] * size[1] > MAX_ANIMATED_PIXELS):
        raise too_many_frames(frames, size)
