"""The sandbox as a process: what it remembers, who starts it, and that production has none."""

from __future__ import annotations

import asyncio
import re
import socket
from pathlib import Path

import aiohttp
import pytest
import stripe

from sandbox.server import Sandbox
from tests.faults.served import PRODUCTION, STARTED_WITHIN_SECONDS, run, serving, start
from tests.harness.waiting import eventually
from tests.sandbox.receiver import Receiver
from tests.sandbox.shop import Shop

_SERVES = re.compile(rb"serves at (http://\S+)")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def test_a_kill_loses_nothing_that_was_answered(tmp_path: Path, http: aiohttp.ClientSession) -> None:
    port = _free_port()
    known: stripe.PaymentIntent | None = None
    for _ in range(2):
        process = await start(tmp_path, "stripe-sandbox", SANDBOX_PORT=str(port))
        async with asyncio.timeout(STARTED_WITHIN_SECONDS):
            line = await process.stdout.readline()
        found = _SERVES.search(line)
        assert found is not None
        async with Shop.opened(found[1].decode(), http) as shop:
            if known is None:
                known = await shop.paid(await shop.seller())
                await shop.control("POST", "/clock", advance=100)
            again = await shop.platform.v1.payment_intents.retrieve_async(known.id)
            assert again.to_dict() == known.to_dict()
            assert await shop.net() == 325
        process.kill()
        await process.wait()
    with (tmp_path / "stripe-sandbox" / "journal").open("a") as journal:
        journal.write('{"ahead": 0, "obj')
    sandbox = Sandbox(file=tmp_path / "stripe-sandbox" / "journal")
    await sandbox.start()
    assert sandbox.state.ahead == 100
    assert len(list(sandbox.state.all("charge"))) == 2
    await sandbox.stop()


async def test_events_that_were_not_taken_are_sent_after_a_restart(
    tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    async with Receiver("whsec_sandbox").serving() as receiver:
        receiver.failures = 1
        file, endpoints = tmp_path / "journal", [{"url": receiver.url, "secrets": ["whsec_sandbox"]}]
        first = Sandbox(file=file)
        async with Shop.opened(await first.start(), http) as shop:
            await shop.control("PUT", "/endpoints", endpoints=endpoints)
            await shop.control("PUT", "/delivery", hold=True)
            await shop.intent()
        await first.stop()
        second = Sandbox(file=file, endpoints=first.delivery.endpoints)
        await second.start()
        assert [event.type for event in await receiver.has(1)] == ["payment_intent.created"]
        await second.stop()


async def test_two_never_share_a_port(tmp_path: Path) -> None:
    first = Sandbox(file=tmp_path / "journal")
    url = await first.start()
    written = (tmp_path / "journal").stat().st_ino
    second = Sandbox(port=int(url.rpartition(":")[2]), file=tmp_path / "journal")
    with pytest.raises(OSError, match="in use"):
        await second.start()
    assert (tmp_path / "journal").stat().st_ino == written
    await second.stop()
    await first.stop()


async def test_it_is_beside_a_server_without_a_key_and_outlives_its_death(
    tmp_path: Path, database_url: str, redis_url: str, http: aiohttp.ClientSession
) -> None:
    port = str(_free_port())
    urls = {"MONGO_URL": database_url, "REDIS_URL": redis_url}
    async with (
        serving(tmp_path, **urls, SANDBOX_PORT=port, STRIPE_API_BASE="") as served,
        Shop.opened(f"http://127.0.0.1:{port}", http) as shop,
    ):
        # Who is told that it serves can pay at once.
        intent = await shop.intent()
        await served.kill()
        assert (await shop.confirm(intent)).status == "succeeded"
        again = await served.again()
        assert (await shop.platform.v1.payment_intents.retrieve_async(intent.id)).status == "succeeded"
        await again.terminate()
        await eventually(lambda: _is_gone(int(port)))
    assert (tmp_path / "stripe-sandbox" / "journal").exists()


async def _is_gone(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return True
    writer.close()
    return False


async def test_production_has_none(tmp_path: Path) -> None:
    code, _, err = await run(tmp_path, "stripe-sandbox", **PRODUCTION)
    assert code == 2
    assert "development" in err
