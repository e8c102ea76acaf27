"""``serve``: the life of a node in one process or as a worker: start, serve, drain."""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import NoReturn

import structlog

from server.app import Node
from server.commands.environment import ServerUrls, reported, servers
from server.commands.stripe_sandbox import beside
from server.draining import BROKEN_OFF_SECONDS
from server.observability.logging import log_loop_error
from server.settings import Settings
from server.workers.configuration import WorkerReport, read_configuration
from server.workers.peers import IpcSockets
from store.reachability import Misconfigured

log = structlog.get_logger("serve")

# A busy loop makes a lot that lives for milliseconds; to look through it more often costs it milliseconds.
COLLECTOR_THRESHOLD = (20_000, 20, 50)


async def live(
    settings: Settings,
    urls: ServerUrls,
    stop: asyncio.Event,
    serves: Callable[[str, str | None], None],
    cannot: Callable[[str], None],
    ipc: IpcSockets | None = None,
) -> int:
    """Calls ``serves`` with the URL, and the operators' where that is another, or ``cannot`` with the reason.

    Answers the exit code after ``stop``.
    """
    try:
        node = Node(settings, urls.mongo, urls.redis, ipc=ipc)
    except Misconfigured as error:
        cannot(str(error))
        return 1
    try:
        url = await node.start()
    except (OSError, Misconfigured) as error:
        cannot(str(error))
        await node.stop()
        return 1
    # What start-up made stays.
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTOR_THRESHOLD)
    serves(url, node.operations_url)
    refused = await _refused(node, stop)
    log.info("draining")
    _end_for_certain()
    await node.stop()
    if refused is not None:
        cannot(refused)
    return 0 if refused is None else 1


async def _refused(node: Node, stop: asyncio.Event) -> str | None:
    """Returns at ``stop``, or with the reason why a database that was waited for cannot be used."""
    assert node.preparation is not None
    stopped = asyncio.ensure_future(stop.wait())
    await asyncio.wait([stopped, node.preparation], return_when=asyncio.FIRST_COMPLETED)
    if node.preparation.done():
        try:
            await node.preparation
        except Misconfigured as error:
            stopped.cancel()
            return str(error)
    await stopped
    return None


def _end_for_certain() -> None:
    """Whatever hangs: the process is gone by then."""
    timer = threading.Timer(BROKEN_OFF_SECONDS, os._exit, (1,))
    timer.daemon = True
    timer.start()


def _end_at_once(code: int) -> NoReturn:
    """To be called when all is done. Python's own end waits for every thread of a pool: with those that wait for a
    MongoDB that is frozen, longer than the process has."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):
            stream.flush()
    os._exit(code)


@reported
async def run(settings: Settings, options: argparse.Namespace) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.set_exception_handler(log_loop_error)
    async with beside(settings) as sandbox, servers(settings) as urls:
        await sandbox.wait()
        code = await live(settings, urls, stop, _serves, _cannot)
    _end_at_once(code)


def _serves(url: str, operations_url: str | None) -> None:
    print(f"Spotter serves at {url}", flush=True)
    if operations_url is not None:
        print(f"Operations at {operations_url}", flush=True)


def _cannot(reason: str) -> None:
    print(reason, file=sys.stderr)


async def run_worker(settings: Settings, descriptor: int) -> int:
    """``descriptor``: the socket that connects it with its parent."""
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(log_loop_error)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    control = _own_socket(descriptor)
    configuration = read_configuration(control)
    control.setblocking(False)
    # The parent sends nothing more: something to read is its end.
    loop.add_reader(control, _orphaned, loop, control, stop)
    senders = [_own_socket(sender) for sender in configuration.senders]
    ipc = IpcSockets(configuration.index, _own_socket(configuration.receiver), senders)
    code = await live(
        replace(settings, port=configuration.port, operations_port=configuration.operations_port),
        ServerUrls(configuration.mongo_url, configuration.redis_url),
        stop,
        lambda url, _: _report(control, WorkerReport(url=url)),
        lambda reason: _report(control, WorkerReport(reason=reason)),
        ipc,
    )
    _end_at_once(code)


def _orphaned(loop: asyncio.AbstractEventLoop, control: socket.socket, stop: asyncio.Event) -> None:
    loop.remove_reader(control)
    stop.set()


def _report(control: socket.socket, report: WorkerReport) -> None:
    try:
        control.sendall(report.line())
    except OSError:
        return  # the parent is gone, which is noticed elsewhere


def _own_socket(descriptor: int) -> socket.socket:
    end = socket.socket(fileno=descriptor)
    # It came over an exec; it goes over no other.
    end.set_inheritable(False)
    return end
