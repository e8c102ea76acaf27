"""What background tasks raised and nobody read."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def no_complaints() -> Iterator[None]:
    """Fails at its end if the running loop had to report an exception meanwhile."""
    complaints: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: None if _is_left_over(context) else complaints.append(context))
    try:
        yield
    finally:
        loop.set_exception_handler(None)
    assert complaints == [], complaints


def _is_left_over(context: dict[str, Any]) -> bool:
    """Of a library, for the garbage collector.

    Without an exception it is a client that was not closed. A stream of asyncio's knows by a future how its connection
    ended, and reads it when it is collected itself: in one cycle the future may be collected first.
    """
    if "exception" not in context:
        return True
    is_future = type(context.get("future")) is asyncio.Future
    return is_future and isinstance(context["exception"], ConnectionError)
