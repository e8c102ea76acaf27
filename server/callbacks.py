"""Calling those who registered for an event: what one of them raises is logged, and stops nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import structlog

from server.observability.logging import safe_traceback

log = structlog.get_logger("callbacks")


def notify(callback: Callable[..., object], *arguments: Any) -> None:
    """Call it; never raises."""
    try:
        callback(*arguments)
    except Exception as error:
        log.error("callback failed", **safe_traceback(error))


def notify_all(callbacks: Iterable[Callable[..., object]], *arguments: Any) -> None:
    """Call each of them, in order; never raises."""
    for callback in tuple(callbacks):
        notify(callback, *arguments)
