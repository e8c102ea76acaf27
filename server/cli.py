"""The command line: serve, and the commands that maintain a deployment."""

from __future__ import annotations

import argparse
import asyncio
import importlib
import os
import sys
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import structlog

from server.commands.arguments import parser
from server.observability import logging
from server.setting_warnings import warnings_of
from server.settings import Settings, SettingsError, load
from server.workers.configuration import COMMAND as WORKER

log = structlog.get_logger("settings")

Work = Coroutine[Any, Any, int]
Run = Callable[[Settings, argparse.Namespace], Work]

# No command is imported here: the parent of several workers stays as small as it can.


def main(arguments: Sequence[str] | None = None, imported: Callable[[], None] = lambda: None) -> int:
    """Exit codes: 0 done, 1 failed, 2 wrong arguments or settings. ``imported`` is called before work begins."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    is_worker = len(words) == 3 and words[0] == WORKER
    serves = words in ([], ["serve"])
    options = None if is_worker else parser().parse_args(words or ["serve"])
    try:
        settings = load(os.environ)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    logging.configure(production=settings.production)
    if serves:
        for name, why in warnings_of(settings):
            log.warning("a setting wants a look", setting=name, why=why)
    if serves and settings.workers > 1:
        supervision = _supervision(settings)
        imported()
        return asyncio.run(supervision)
    work = _work(settings, int(words[2])) if options is None else _command(settings, options)
    imported()
    return _run(work)


def _supervision(settings: Settings) -> Work:
    from server.commands import supervising

    return supervising.run(settings)


def _work(settings: Settings, descriptor: int) -> Work:
    from server.commands import serve

    return serve.run_worker(settings, descriptor)


def _command(settings: Settings, options: argparse.Namespace) -> Work:
    run: Run = importlib.import_module(options.module).run
    return run(settings, options)


def _run(work: Work) -> int:
    import uvloop

    try:
        return uvloop.run(work)
    except KeyboardInterrupt:
        return 130
