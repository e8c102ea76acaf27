"""One worker of several: started by its parent, never by hand."""

from __future__ import annotations

import asyncio
import signal
import socket
from dataclasses import replace

from server.commands.node_life import live
from server.commands.servers import ServerUrls
from server.observability.logging import log_loop_error
from server.settings import Settings
from server.workers.neighbours import Neighbours
from server.workers.orders import Report, read_orders


async def run(settings: Settings, descriptor: int) -> int:
    """``descriptor``: the socket that connects it with its parent."""
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(log_loop_error)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    control = socket.socket(fileno=descriptor)
    orders = read_orders(control)
    control.setblocking(False)
    # The parent says no more: something to read is its end.
    loop.add_reader(control, _orphaned, loop, control, stop)
    neighbours = Neighbours(orders.index, _mailbox(orders.inbox), [_mailbox(outbox) for outbox in orders.outboxes])
    return await live(
        replace(settings, port=orders.port),
        ServerUrls(orders.mongo_url, orders.redis_url),
        stop,
        lambda url: _tell(control, Report(url=url)),
        lambda reason: _tell(control, Report(reason=reason)),
        neighbours,
    )


def _orphaned(loop: asyncio.AbstractEventLoop, control: socket.socket, stop: asyncio.Event) -> None:
    loop.remove_reader(control)
    stop.set()


def _tell(control: socket.socket, report: Report) -> None:
    try:
        control.sendall(report.line())
    except OSError:
        return  # the parent is gone, which is noticed elsewhere


def _mailbox(descriptor: int) -> socket.socket:
    end = socket.socket(fileno=descriptor)
    end.set_inheritable(False)
    return end
