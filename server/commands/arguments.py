"""The words of the command line. No command is imported for them: each brings all of Spotter, which takes a second."""

from __future__ import annotations

import argparse
from pathlib import Path


def parser() -> argparse.ArgumentParser:
    """What it parses has the command's module as ``module``."""
    made = argparse.ArgumentParser(prog="run.py", description="Without a command it serves.")
    commands = made.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def command(name: str, said: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=said, description=said)
        sub.set_defaults(module=f"server.commands.{name.replace('-', '_')}")
        return sub

    command("serve", "Serve (the default).")
    sub = command("create-superadmin", "Make a superAdmin account.")
    sub.add_argument("--email", required=True)
    sub.add_argument("--password", required=True, help="10-128 characters; - reads a line of standard input")
    sub = command("dead-work", "List durable work that was set aside, or make it due again.")
    sub.add_argument(
        "--replay",
        nargs="+",
        metavar=("JOB", "ID"),
        help="make all rows of the job due again that were set aside, or these alone",
    )
    command(
        "seed-demo", "Make categories, trainers, clients, schedules and conversations to look at (development only)."
    )
    sub = command("seed-load", "Make client-trainer pairs for a load test (development only).")
    sub.add_argument("--pairs", type=_positive, required=True)
    sub.add_argument("--out", type=_writable, required=True, metavar="FILE")
    sub = command("stripe-sandbox", "Run the Stripe sandbox by itself (development only).")
    sub.add_argument("--webhook", metavar="URL", help="where events are sent; Spotter's own on PORT without it")
    return made


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("has to be a whole number from 1")
    return int(text)


def _writable(text: str) -> Path:
    path = Path(text)
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise argparse.ArgumentTypeError("has to be a file in a folder that exists")
    return path
