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
    # Without an exception it is a client library that left something to the garbage collector.
    loop.set_exception_handler(lambda _, context: complaints.append(context) if "exception" in context else None)
    try:
        yield
    finally:
        loop.set_exception_handler(None)
    assert complaints == [], complaints
