"""What a file is, by its content; neither its name nor its sender is asked."""

from __future__ import annotations

import puremagic

from domain.errors import Code, DomainError
from domain.signatures import type_of

# Of what begins with a box, puremagic knows some brands and guesses at others.
_GUESSED = frozenset({"video/mp4", "video/quicktime"})


def content_type_of(head: bytes) -> str:
    """Our own signatures and puremagic's agree; raises ``unsupported_media``."""
    found = type_of(head)
    if found is None or (found not in _GUESSED and found not in _of_puremagic(head)):
        raise unsupported("Only JPEG, PNG, WebP, GIF, MP4, MOV, WebM and PDF are taken.")
    return found


def _of_puremagic(head: bytes) -> set[str]:
    try:
        return {match.mime_type for match in puremagic.magic_string(head)}
    except (puremagic.PureError, ValueError):
        return set()


def unsupported(message: str) -> DomainError:
    return DomainError(Code.UNSUPPORTED_MEDIA, message)
