"""Hashing is shared by networks: who asks for much waits for himself."""

from __future__ import annotations

import asyncio
import threading

import pytest

from domain.errors import Code, DomainError
from server.security.hash_queue import HashQueue
from store import command_budget
from store.command_budget import Budget


async def asked(queue: HashQueue, network: str, work: object = None, seconds: float = 10.0) -> None:
    budget = Budget(seconds=seconds)
    budget.network = network
    with command_budget.within(budget):
        await queue.run(work if callable(work) else lambda: None)


async def test_a_quiet_network_has_a_place_and_the_next_turn(thread_gate: threading.Event) -> None:
    """130 of one network, more than there are places for; one from elsewhere is next but one."""
    queue, order = HashQueue(1, 64), list[str]()
    held = asyncio.create_task(asked(queue, "greedy", thread_gate.wait))
    await asyncio.sleep(0)
    greedy = [asyncio.create_task(asked(queue, "greedy", lambda: order.append("greedy"))) for _ in range(130)]
    await asyncio.sleep(0)
    quiet = asyncio.create_task(asked(queue, "quiet", lambda: order.append("quiet")))
    await asyncio.sleep(0)
    thread_gate.set()
    await asyncio.gather(held, quiet)
    assert order.index("quiet") <= 1
    refused = [error for error in await asyncio.gather(*greedy, return_exceptions=True) if error is not None]
    assert len(refused) == 130 - 63
    assert all(isinstance(error, DomainError) and error.retry_after_ms for error in refused)
    queue.close()


async def test_what_cannot_be_in_time_is_refused_at_once(thread_gate: threading.Event) -> None:
    queue = HashQueue(1, 64)
    held = asyncio.create_task(asked(queue, "greedy", thread_gate.wait))
    await asyncio.sleep(0)
    waiting = asyncio.create_task(asked(queue, "greedy", seconds=0.35))
    await asyncio.sleep(0)
    with pytest.raises(DomainError) as refused:
        await asked(queue, "greedy", seconds=0.25)
    assert refused.value.code is Code.RATE_LIMITED
    thread_gate.set()
    await asyncio.gather(held, waiting, return_exceptions=True)
    queue.close()


async def test_the_networks_of_a_site_are_one_to_the_others(thread_gate: threading.Event) -> None:
    """130 of one /48, each from a network of its own."""
    queue, order = HashQueue(1, 64), list[str]()
    held = asyncio.create_task(asked(queue, "2001:db8:1:0::/64", thread_gate.wait))
    await asyncio.sleep(0)
    greedy = [
        asyncio.create_task(asked(queue, f"2001:db8:1:{number:x}::/64", lambda: order.append("greedy")))
        for number in range(130)
    ]
    await asyncio.sleep(0)
    quiet = asyncio.create_task(asked(queue, "2001:db8:2:1::/64", lambda: order.append("quiet")))
    await asyncio.sleep(0)
    thread_gate.set()
    await asyncio.gather(held, quiet)
    assert order.index("quiet") <= 1
    refused = [error for error in await asyncio.gather(*greedy, return_exceptions=True) if error is not None]
    assert len(refused) == 130 - 63
    assert not queue._waiting
    queue.close()


async def test_a_network_is_kept_out_by_none_of_its_site(thread_gate: threading.Event) -> None:
    queue, order = HashQueue(1, 64), list[str]()
    held = asyncio.create_task(asked(queue, "2001:db8:1:0::/64", thread_gate.wait))
    await asyncio.sleep(0)
    greedy = [
        asyncio.create_task(asked(queue, "2001:db8:1:0::/64", lambda: order.append("greedy"))) for _ in range(130)
    ]
    await asyncio.sleep(0)
    beside = asyncio.create_task(asked(queue, "2001:db8:1:1::/64", lambda: order.append("beside")))
    await asyncio.sleep(0)
    thread_gate.set()
    await asyncio.gather(held, beside)
    assert order.index("beside") <= 1
    await asyncio.gather(*greedy, return_exceptions=True)
    queue.close()
