"""What may be logged of an unexpected error: its kind and its place. Its words may quote somebody's message."""

from __future__ import annotations

import traceback
from types import TracebackType


def crash(error: BaseException) -> dict[str, str]:
    """Fields for a log entry."""
    return {"error": type(error).__name__, "place": place(error)}


def place(error: BaseException) -> str:
    """The traceback without the error's text, and those of the errors it came from."""
    parts: list[str] = []
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        parts.append(_one(type(current).__name__, current.__traceback__))
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return "during:\n".join(parts)


def _one(name: str, trace: TracebackType | None) -> str:
    return "".join(traceback.format_tb(trace)) + name + "\n"
