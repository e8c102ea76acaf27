"""``stripe-sandbox``, and the same beside ``serve``: a Stripe of our own on loopback, with its state under DATA_DIR."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

from server.commands.environment import reported
from server.embedded.process import tied_to
from server.settings import Settings

NAME = "stripe-sandbox"
HELP = "Run the Stripe sandbox by itself (development only)."
_ROOT = Path(__file__).resolve().parents[2]
_WEBHOOKS = "/v1/webhooks/stripe"
_LOOK_EVERY_SECONDS = 1.0
_STARTS_EVERY_SECONDS = 0.05
_READY_WITHIN_SECONDS = 10.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--webhook", metavar="URL", help="where events are sent; Spotter's own on PORT without it")


@reported
async def run(settings: Settings, options: argparse.Namespace) -> int:
    if settings.production:
        print("stripe-sandbox is for development: anybody can pay with it.", file=sys.stderr)
        return 2
    # Not at the top: what serves in production never imports it, and need not have what it needs.
    from sandbox import __main__ as program

    return await program.run(settings.sandbox_port, _file(settings), options.webhook or _webhook(settings))


def _file(settings: Settings) -> Path:
    return settings.data_dir / "stripe-sandbox" / "journal"


def _webhook(settings: Settings) -> str:
    return replace(settings.public, host="127.0.0.1").url() + _WEBHOOKS


@contextlib.asynccontextmanager
async def beside(settings: Settings) -> AsyncIterator[asyncio.Event]:
    """Keep a sandbox running as a process of its own while we serve in development without a key of Stripe's.

    One that serves at the port already is used as it is. Whoever sets STRIPE_API_BASE has another stand-in. The event
    is set once it can be used, or will not be.
    """
    ready = asyncio.Event()
    if settings.production or settings.stripe_secret_key or settings.stripe_api_base or not settings.sandbox_port:
        ready.set()
        yield ready
        return
    keeper = _Keeper(settings, ready)
    asyncio.get_running_loop().call_later(_READY_WITHIN_SECONDS, ready.set)
    keeping = asyncio.create_task(keeper.keep())
    try:
        yield ready
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        await keeper.stop()


class _Keeper:
    def __init__(self, settings: Settings, ready: asyncio.Event) -> None:
        self._settings = settings
        self._ready = ready
        self._process: Process | None = None

    async def keep(self) -> None:
        while True:
            if not await self._answers():
                self._process = await self._spawn()
                await self._up(self._process)
                await self._process.wait()
            self._ready.set()
            await asyncio.sleep(_LOOK_EVERY_SECONDS)

    async def _up(self, process: Process) -> None:
        while process.returncode is None and not await self._answers():  # noqa: ASYNC110 - another process's doing
            await asyncio.sleep(_STARTS_EVERY_SECONDS)
        self._ready.set()

    async def stop(self) -> None:
        if self._process is None or self._process.returncode is not None:
            return
        self._process.terminate()
        try:
            await asyncio.wait_for(self._process.wait(), 5.0)
        except TimeoutError:
            self._process.kill()

    async def _answers(self) -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self._settings.sandbox_port)
        except OSError:
            return False
        writer.close()
        return True

    async def _spawn(self) -> Process:
        file = _file(self._settings)
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with file.with_name("log").open("wb") as log:
            return await asyncio.create_subprocess_exec(
                sys.executable, "-m", "sandbox", "--port", str(self._settings.sandbox_port), "--file", str(file),
                "--webhook", _webhook(self._settings),
                cwd=_ROOT, stdin=DEVNULL, stdout=log, stderr=log, preexec_fn=tied_to(os.getpid()),
            )  # fmt: skip
