"""Structured logs: JSON lines in production, readable ones in development. Never payloads, never secrets.

Of an unexpected error its kind and its place are logged; its text may quote somebody's message.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import traceback
from types import TracebackType
from typing import Any

import structlog
from structlog.typing import EventDict, WrappedLogger


def safe_traceback(error: BaseException) -> dict[str, str]:
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


def configure(*, production: bool, level: int = logging.INFO) -> None:
    """Send structlog's and the libraries' records through one chain, to standard error."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: structlog.typing.Processor = (
        structlog.processors.JSONRenderer() if production else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _without_words,
                last,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.captureWarnings(True)
    # The driver says at INFO and DEBUG what it sends, and what it sends are messages.
    for name in ("pymongo", "motor", "aiohttp.access", "asyncio", "engineio", "socketio"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # What our error middleware lets through are requests that are no HTTP: anybody can send those, as many as he likes.
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)


def _without_words(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """An exception by its kind and place: what it says may quote a message, a token or a document."""
    error = event.pop("exc_info", None)
    if error is True:
        error = sys.exc_info()
    if isinstance(error, tuple):
        error = error[1]
    if isinstance(error, BaseException):
        event["error"] = type(error).__name__
        event["place"] = place(error)
    return event


def log_loop_error(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """An event loop's exception handler: asyncio's own prints the exception, words and all."""
    logging.getLogger("asyncio").error("unhandled error in a task or callback", exc_info=context.get("exception"))
