"""Files that people upload: what may be one, how large it is, and what it is used for."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Literal

import msgspec

FileKind = Literal["image", "video", "pdf", "archive"]
UseKind = Literal["message", "profile", "service", "certificate"]

# By what the content is, whatever its sender calls it. SVG and HTML can carry programs and are not among them.
KINDS: dict[str, FileKind] = {
    "image/jpeg": "image",
    "image/png": "image",
    "image/webp": "image",
    "image/gif": "image",
    # Stored as JPEG.
    "image/heic": "image",
    "video/mp4": "video",
    "video/quicktime": "video",
    "video/webm": "video",
    "application/pdf": "pdf",
}
_ENDINGS: dict[str, tuple[str, ...]] = {
    "image/jpeg": (".jpg", ".jpeg"),
    "image/png": (".png",),
    "image/webp": (".webp",),
    "image/gif": (".gif",),
    "image/heic": (".heic", ".heif"),
    "video/mp4": (".mp4", ".m4v"),
    "video/quicktime": (".mov", ".qt"),
    "video/webm": (".webm",),
    "application/pdf": (".pdf",),
}
_MEGABYTE = 1_000_000
LIMITS: dict[FileKind, int] = {"image": 10 * _MEGABYTE, "pdf": 20 * _MEGABYTE, "video": 100 * _MEGABYTE}
LARGEST = max(LIMITS.values())
# Whoever uses it within this time keeps it.
UNUSED_KEPT = timedelta(hours=24)
# A message that refers to it is written long before that, or never.
UNCONFIRMED_KEPT = timedelta(hours=1)
# An upload takes no longer; what is left of one that does is taken away.
UPLOAD_TAKES = timedelta(hours=1)
URL_LASTS = timedelta(hours=24)
MAX_NAME = 120


class FileUse(msgspec.Struct, frozen=True, kw_only=True):
    """What refers to a file: a message (of a conversation), a profile, a certificate. ``id`` is of that.

    ``at``: since when, of a use that is said before what it is for is written.
    """

    kind: UseKind
    id: str
    conversation_id: str | None = None
    at: datetime | None = None


class StoredFile(msgspec.Struct, frozen=True, kw_only=True):
    """``size`` in bytes, ``width`` and ``height`` in pixels, ``digest`` of its bytes in hex.

    ``thumbnail_of``: the image that it shows small. ``kept_until``: of an archive, which goes then, used or not.
    """

    id: str
    owner_id: str
    kind: FileKind
    content_type: str
    size: int
    digest: str
    name: str
    width: int | None = None
    height: int | None = None
    thumbnail_id: str | None = None
    thumbnail_of: str | None = None
    uses: tuple[FileUse, ...] = ()
    created_at: datetime
    kept_until: datetime | None = None

    @property
    def is_public(self) -> bool:
        """What a profile shows, everybody may see."""
        return any(use.kind in ("profile", "service") for use in self.uses)


class FileObject(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A file on the wire. ``url`` and ``thumbnail_url`` are paths below the server's address, good for a day without a
    header; pixels."""

    id: str
    url: str
    content_type: str
    size: int
    name: str
    width: int | msgspec.UnsetType = msgspec.UNSET
    height: int | msgspec.UnsetType = msgspec.UNSET
    thumbnail_url: str | msgspec.UnsetType = msgspec.UNSET


class AttachedFile(FileObject, frozen=True, kw_only=True):
    """With the field that refers to it."""

    field: str


def display_name(name: str | None, content_type: str) -> str:
    """What the sender calls it, without anything that a path, a header or a terminal would read more into.

    It ends as its content does: what is saved under it must not be opened as something else.
    """
    last = (name or "").replace("\\", "/").rpartition("/")[2]
    kept = "".join(c for c in last if c.isprintable() and c not in '<>:"|?*;').strip(" .")
    stem, dot, ending = kept.rpartition(".")
    endings = _ENDINGS[content_type]
    if f".{ending.lower()}" in endings and stem:
        return f"{stem[:MAX_NAME]}.{ending}"
    return f"{(stem if dot and len(ending) <= 5 else kept)[:MAX_NAME].strip(' .') or KINDS[content_type]}{endings[0]}"


def signed_text(file_id: str, expires: int) -> str:
    """What the signature of a URL is computed over."""
    return f"{file_id}|{expires}"


def url_expiry(now: datetime) -> int:
    """In seconds since 1970; on the hour, so that a phone finds in its cache what it fetched a minute ago."""
    hour = 3600
    return math.ceil((now + URL_LASTS).timestamp() / hour) * hour
