"""``stripe-sandbox``, and the same beside ``serve``: a Stripe of our own on loopback, with its state under DATA_DIR."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from server.commands.environment import reported
from server.settings import Settings

if TYPE_CHECKING:
    import aiohttp

_ROOT = Path(__file__).resolve().parents[2]
_WEBHOOKS = "/v1/webhooks/stripe"
_SAY_EVERY_SECONDS = 1.0
_LINGERS_SECONDS = 60
_STARTS_EVERY_SECONDS = 0.1
_READY_WITHIN_SECONDS = 10.0
_TIMEOUT_SECONDS = 2.0


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
        self._url = f"http://127.0.0.1:{settings.sandbox_port}/_sandbox/keepers/{secrets.token_hex(8)}"

    async def keep(self) -> None:
        # Not at the top: the parent of several workers in production imports this module.
        import aiohttp

        started: subprocess.Popen[bytes] | None = None
        async with aiohttp.ClientSession() as http:
            while True:
                if await self._said(http, "PUT"):
                    self._ready.set()
                    await asyncio.sleep(_SAY_EVERY_SECONDS)
                    continue
                if started is None or started.poll() is not None:
                    started = await asyncio.to_thread(self._spawn)
                await asyncio.sleep(_STARTS_EVERY_SECONDS)

    async def stop(self) -> None:
        import aiohttp

        async with aiohttp.ClientSession() as http:
            await self._said(http, "DELETE")

    async def _said(self, http: aiohttp.ClientSession, method: str) -> bool:
        import aiohttp

        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                async with http.request(method, self._url, json={"webhook": _webhook(self._settings)}):
                    return True
        except (aiohttp.ClientError, TimeoutError):
            return False

    def _spawn(self) -> subprocess.Popen[bytes]:
        """In a session of its own: it outlives a server that is killed, so that phones can pay meanwhile."""
        file = _file(self._settings)
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with file.with_name("log").open("wb") as log:
            command = [sys.executable, "-m", "sandbox", "--port", str(self._settings.sandbox_port), "--file", str(file)]
            command += ["--webhook", _webhook(self._settings), "--linger", str(_LINGERS_SECONDS)]
            return subprocess.Popen(
                command, cwd=_ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
