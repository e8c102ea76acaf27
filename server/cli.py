"""The command line: serve, and the commands that look after a deployment."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import uvloop

from server.commands import create_superadmin, seed_load, serving
from server.observability import logging
from server.settings import Settings, SettingsError, load

Run = Callable[[Settings, argparse.Namespace], Coroutine[Any, Any, int]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit codes: 0 done, 1 failed, 2 wrong arguments or settings."""
    options = _parser().parse_args(arguments)
    try:
        settings = load(os.environ)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    logging.configure(production=settings.production)
    run: Run = options.run
    try:
        return uvloop.run(run(settings, options))
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="run.py", description="Without a command it serves.")
    parser.set_defaults(run=serving.run)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for module in (serving, create_superadmin, seed_load):
        sub = commands.add_parser(module.NAME, help=module.HELP, description=module.HELP)
        module.add_arguments(sub)
        sub.set_defaults(run=module.run)
    return parser
