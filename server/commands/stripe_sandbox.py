"""``stripe-sandbox``: a Stripe of our own on loopback, with its state under DATA_DIR."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from dataclasses import replace

from server.commands.environment import reported
from server.settings import Place, Settings

NAME = "stripe-sandbox"
HELP = "Run the Stripe sandbox by itself (development only)."
WEBHOOKS = "/v1/webhooks/stripe"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--webhook", metavar="URL", help="where events are sent; Spotter's own on PORT without it")


@reported
async def run(settings: Settings, options: argparse.Namespace) -> int:
    if settings.production:
        print("stripe-sandbox is for development: anybody can pay with it.", file=sys.stderr)
        return 2
    # Not at the top: what serves in production never imports it, and need not have what it needs.
    from sandbox.delivery import Endpoint
    from sandbox.server import WEBHOOK_SECRET, Sandbox

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    url = options.webhook or replace(settings.public, host="127.0.0.1").url() + WEBHOOKS
    secrets = list(settings.stripe_webhook_secrets) or [WEBHOOK_SECRET]
    sandbox = Sandbox(
        port=settings.sandbox_port,
        file=settings.data_dir / "stripe-sandbox" / "journal",
        endpoints=[Endpoint(url, secrets)],
    )
    try:
        served = await sandbox.start()
    except OSError as error:
        print(Place("127.0.0.1", settings.sandbox_port, "SANDBOX_PORT").refusal(error), file=sys.stderr)
        return 1
    finally:
        if not sandbox.url:
            await sandbox.stop()
    print(f"The Stripe sandbox serves at {served}", flush=True)
    print(f"Webhooks go to {url}", flush=True)
    await stop.wait()
    await sandbox.stop()
    return 0
