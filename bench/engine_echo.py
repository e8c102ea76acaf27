"""CPU time per echoed WebSocket message and memory per idle socket: our engine, a bare aiohttp WebSocket, stock.

    python bench/engine_echo.py [--sockets 50] [--seconds 3] [--idle 1000]

The load is this file's own child process writing hand-made frames, so the server's CPU time is the server's alone.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import multiprocessing
import resource
import socket
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import engineio
import uvloop
from aiohttp import web

from server.engineio import EngineServer, EngineSocket

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))


REQUEST = (
    b"GET /engine.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
MESSAGE = b"4" + b'2["message:send",{"text":"lorem ipsum dolor sit amet, consectetur adipiscing elit"}]'
FRAME = bytes((0x81, 0x80 | len(MESSAGE), 0, 0, 0, 0)) + MESSAGE
ECHO_SIZE = len(MESSAGE) + 2


def ours() -> web.Application:
    """This repository's engine with its synchronous hooks."""
    engine = EngineServer()
    engine.handlers.clear()

    def echo(client: EngineSocket, data: str | bytes) -> None:
        if isinstance(data, str):
            client.send_text(data)

    engine.on_message = echo
    app = web.Application()
    engine.attach(app)
    return app


def stock() -> web.Application:
    """python-engineio as installed."""
    engine = engineio.AsyncServer(async_mode="aiohttp", async_handlers=False)

    async def echo(sid: str, data: str) -> None:
        await engine.send(sid, data)

    engine.on("message", echo)
    app = web.Application()
    engine.attach(app)
    return app


def bare() -> web.Application:
    """An aiohttp WebSocket and nothing else."""

    async def echo(request: web.Request) -> web.WebSocketResponse:
        response = web.WebSocketResponse(compress=False)
        await response.prepare(request)
        await response.send_str("0{}")
        async for message in response:
            await response.send_str(message.data)
        return response

    app = web.Application()
    app.router.add_get("/engine.io/", echo)
    return app


def serve(make: Callable[[], web.Application], pipe: Connection) -> None:
    """The server process: answers what is asked through the pipe with its CPU time and resident memory."""

    async def main() -> None:
        runner = web.AppRunner(make(), access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, backlog=4096).start()
        loop = asyncio.get_running_loop()
        over = loop.create_future()
        pipe.send(runner.addresses[0][1])

        def answer() -> None:
            if pipe.recv() == "stop":
                over.set_result(None)
                return
            gc.collect()
            used = resource.getrusage(resource.RUSAGE_SELF)
            resident = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
            pipe.send((used.ru_utime + used.ru_stime, resident))

        loop.add_reader(pipe.fileno(), answer)
        await over

    gc.freeze()
    uvloop.run(main())


def connect(port: int) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port))
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    client.sendall(REQUEST)
    seen = b""
    while b"0{" not in seen:
        seen += client.recv(4096)
    return client


def measure(make: Callable[[], web.Application], sockets: int, seconds: float, idle: int) -> tuple[float, float, float]:
    """CPU µs a message, messages a second, KB an idle socket."""
    pipe, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=serve, args=(make, theirs))
    process.start()
    port = pipe.recv()

    def ask() -> tuple[float, int]:
        pipe.send("usage")
        cpu, resident = pipe.recv()
        return float(cpu), int(resident)

    clients = [connect(port) for _ in range(sockets)]

    def rounds(until: float) -> int:
        count = 0
        while time.monotonic() < until:
            for client in clients:
                client.sendall(FRAME)
            for client in clients:
                client.recv(ECHO_SIZE, socket.MSG_WAITALL)
            count += len(clients)
        return count

    rounds(time.monotonic() + seconds / 4)
    before, _ = ask()
    messages = rounds(time.monotonic() + seconds)
    after, resident = ask()
    waiting = [connect(port) for _ in range(idle)]
    memory = ask()[1] - resident
    for client in clients + waiting:
        client.close()
    pipe.send("stop")
    process.join(5)
    process.kill()
    return (after - before) / messages * 1e6, messages / seconds, memory / max(idle, 1) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sockets", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--idle", type=int, default=1000)
    options = parser.parse_args()
    for make in (ours, bare, stock):
        cpu, rate, memory = measure(make, options.sockets, options.seconds, options.idle)
        print(
            f"{make.__name__:6} {cpu:7.2f} µs of CPU a message {rate:9.0f} messages/s {memory:6.2f} KB an idle socket"
        )


if __name__ == "__main__":
    main()
