"""Structured logs: JSON lines in production, readable ones in development. Never payloads, never secrets.

Of an unexpected error its kind and its place are logged; its text may quote somebody's message. Of a library's record
what is written in its source is logged, and numbers; what it puts in may come from anybody.
"""

from __future__ import annotations

import asyncio
import copy
import inspect
import logging
import re
import sys
import threading
import traceback
import warnings
from collections.abc import Mapping
from types import TracebackType
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, WrappedLogger

_CLIENTS = ("httpx", "httpcore", "hpack", "urllib3")
LONGEST_VALUE = 8_000  # characters: room for the place of an error
_LARGEST_NUMBER = 2**64
_LEFT_OUT = "…"
# What looks like a secret wherever it is: none of it should come here, and none of it leaves if it does.
_SECRETS = (
    re.compile(r"()\beyJ[\w-]{8,}[\w.=-]*"),
    re.compile(r"(\bbearer\b(?:[\s,:]|%20)*)[^\s\"',]+", re.IGNORECASE),
    re.compile(r"(://)[^\s/]*@"),
    re.compile(r"([?&;](?:[\w-]*token|auth|code|key|password|secret|sig|signature)=)[^\s&;#\"']+", re.IGNORECASE),
    re.compile(r"(/v1/calendar/|/v1/unsubscribe/|/3/device/)[^\s/?#\"']+"),
)


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
        _Formatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _without_words,
                _bounded,
                last,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # A record that cannot be written would be printed with its arguments.
    logging.raiseExceptions = False
    warnings.showwarning = _log_warning
    sys.excepthook = _log_uncaught
    sys.unraisablehook = _log_unraisable
    threading.excepthook = _log_thread_error
    # At INFO and DEBUG the drivers log what they send, messages; and clients of HTTP each call, with its URL.
    for name in ("pymongo", "motor", "aiohttp.access", "asyncio", "engineio", "socketio", "stripe", *_CLIENTS):
        logging.getLogger(name).setLevel(logging.WARNING)
    # What our error middleware lets through are requests that are no HTTP: anybody can send those, as many as he likes.
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)


class _Formatter(structlog.stdlib.ProcessorFormatter):
    """Records that did not come through structlog lose what was put into them."""

    def format(self, record: logging.LogRecord) -> str:
        if not hasattr(record, "_logger"):
            record = copy.copy(record)
            record.msg, record.args = _foreign(record), ()
        return super().format(record)


def _foreign(record: logging.LogRecord) -> str:
    template = record.msg
    if not isinstance(template, str) or not _is_written(template):
        return f"{_LEFT_OUT} at {record.module}:{record.lineno}"
    shown = _value if record.name.startswith("server.") else _number
    args = record.args or ()
    try:
        if isinstance(args, Mapping):
            return template % {key: shown(value) for key, value in args.items()}
        return template % tuple(shown(value) for value in args) if args else template
    except Exception:
        return template


def _is_written(template: str) -> bool:
    """Whether it is a constant of some code that led here: what was put together (f-strings) is not."""
    frame = inspect.currentframe()
    while frame is not None:
        if template in frame.f_code.co_consts:
            return True
        frame = frame.f_back
    return False


def _number(value: object) -> object:
    is_number = isinstance(value, float) or (isinstance(value, int) and abs(value) < _LARGEST_NUMBER)
    return value if value is None or is_number else _LEFT_OUT


def _value(value: object) -> object:
    if isinstance(value, BaseException):
        return type(value).__name__
    if value is None or _number(value) is value:
        return value
    text = value if isinstance(value, str) else str(value)
    for secret in _SECRETS:
        text = secret.sub(rf"\1{_LEFT_OUT}", text)
    if len(text) <= LONGEST_VALUE:
        return text
    return text[: LONGEST_VALUE // 2] + _LEFT_OUT + text[-LONGEST_VALUE // 2 :]


def _bounded(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    return {key: _value(value) for key, value in event.items()}


def _without_words(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """An exception by its kind and place: its text may quote a message, a token or a document."""
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


def _log_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    structlog.get_logger("py.warnings").warning("a warning", category=category.__name__, file=filename, line=lineno)


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    logging.getLogger("uncaught").critical("the program ends with an error", exc_info=error)


def _log_thread_error(args: threading.ExceptHookArgs) -> None:
    if args.exc_type is not SystemExit:
        logging.getLogger("uncaught").error("a thread ended with an error", exc_info=args.exc_value)


def _log_unraisable(unraisable: sys.UnraisableHookArgs) -> None:
    logging.getLogger("uncaught").error("an error where none can be raised", exc_info=unraisable.exc_value)
