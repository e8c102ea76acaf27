"""How a command ends that could not do its work: a sentence for people, and exit code 1."""

from __future__ import annotations

import argparse
import functools
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from domain.errors import DomainError
from server.embedded import EmbeddedError
from server.settings import Settings

Run = Callable[[Settings, argparse.Namespace], Coroutine[Any, Any, int]]


def reported(run: Run) -> Run:
    """Expected failures are told; anything else is a bug, and looks like one."""

    @functools.wraps(run)
    async def reporting(settings: Settings, options: argparse.Namespace) -> int:
        try:
            return await run(settings, options)
        except (DomainError, EmbeddedError) as error:
            print(error, file=sys.stderr)
            return 1

    return reporting
