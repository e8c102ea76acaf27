"""aiohttp's server with connections that are counted and watched, errors in the form of all others, and its listener.

The workers of a program share one port.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from struct import pack
from typing import Any

from aiohttp import hdrs, web
from aiohttp.web_protocol import RequestHandler

from rest.errors import unknown_coding, unreadable
from rest.pace import PACED
from server.http.connections import HttpConnections, taken, waiting
from server.settings import Place
from server.workers.peers import WorkerPeers

# ``struct linger``: on, for no time.
_AT_ONCE = pack("ii", 1, 0)


class Handler(RequestHandler):
    """One HTTP connection."""

    __slots__ = ("_connections", "_tcp")

    def __init__(self, manager: web.Server, connections: HttpConnections, **options: Any) -> None:
        super().__init__(manager, **options)
        self._connections = connections
        # aiohttp forgets a transport that it closes, though what was not read keeps that open.
        self._tcp: asyncio.Transport | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._tcp = transport
        peer = transport.get_extra_info("peername")
        if not self._connections.add(self, peer[0] if isinstance(peer, tuple) else ""):
            transport.abort()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._connections.remove(self)
        self._tcp = None
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._connections.clogged(self)

    @property
    def progress(self) -> tuple[int, int] | None:
        """The number of the request that is being received, and the bytes of its body so far."""
        request = self._current_request
        if request is not None:
            content = request.content
            # A body whose route waits for it is failed when it is too slow. One that is not read from can't go on.
            if content.is_eof() or self._reading_paused or request.get(PACED):
                return None
            return self._request_count, content.total_raw_bytes
        # Behind an earlier request a connection may rest: that is keep-alive's affair.
        return None if self._request_count else (0, 0)

    @property
    def unread(self) -> int:
        return waiting(self._tcp) if self._tcp is not None else 0

    @property
    def taken(self) -> int:
        return taken(self._tcp) if self._tcp is not None else 0

    def abort(self) -> None:
        if self._tcp is not None:
            # Otherwise the kernel would go on offering what is not read.
            with suppress(OSError):
                self._tcp.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
            self._tcp.abort()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """What the parser refuses has no handler that could answer."""
        if status != 400 or request.writer.output_size:
            return super().handle_error(request, status, exc, message)
        response = unknown_coding() if _refuses_coding(exc) else unreadable()
        response.force_close()
        return response


def _refuses_coding(error: BaseException | None) -> bool:
    """By the parser's own words, which come before what it quotes of the request."""
    words = str(getattr(error, "message", "")).partition("\n")[0]
    return hdrs.TRANSFER_ENCODING in words and hdrs.CONTENT_LENGTH not in words


async def _in_a_known_coding(handler: Callable[[Any], Awaitable[Any]], request: web.BaseRequest) -> web.StreamResponse:
    """The parser reads every coding that ends in ``chunked`` as if it were that alone (RFC 9112, 6.1: answer 501)."""
    codings = request.headers.getall(hdrs.TRANSFER_ENCODING, ())
    if codings and [coding.strip().lower() for coding in codings] != ["chunked"]:
        return unknown_coding()
    response: web.StreamResponse = await handler(request)
    return response


class Server(web.Server):
    def __init__(self, made: web.Server, connections: HttpConnections) -> None:
        """As aiohttp made it for an application."""
        super().__init__(
            partial(_in_a_known_coding, made.request_handler),
            request_factory=made.request_factory,
            handler_cancellation=made.handler_cancellation,
            **made._kwargs,
        )
        self._watched = connections

    def __call__(self) -> RequestHandler:
        return Handler(self, self._watched, loop=self._loop, **self._kwargs)


class HttpRunner(web.AppRunner):
    def __init__(self, app: web.Application, connections: HttpConnections, **options: Any) -> None:
        # Decoded is also what nobody asks for: a body of 2 MB kept the event loop for ten seconds behind a 404.
        super().__init__(app, auto_decompress=False, **options)
        self.connections = connections

    async def _make_server(self) -> web.Server:
        return Server(await super()._make_server(), self.connections)


_KEEP_ALIVE_SECONDS = 75.0
# What requests are given at the end, twice: to finish, and to be cancelled.
_REQUESTS_SECONDS = 0.75


class CannotListen(OSError):
    """A port is taken, or an address is another machine's; the text names the setting."""


class Listener:
    """``shared``: among workers, which take the same port. ``peers``: those who may hand connections to this one."""

    def __init__(
        self,
        app: web.Application,
        connections: HttpConnections,
        place: Place,
        *,
        shared: bool = False,
        peers: WorkerPeers | None = None,
    ) -> None:
        self._connections = connections
        self._place = place
        self._shared = shared
        self._peers = peers
        self._runner = HttpRunner(
            app,
            connections,
            access_log=None,
            shutdown_timeout=_REQUESTS_SECONDS,
            keepalive_timeout=_KEEP_ALIVE_SECONDS,
        )

    async def start(self) -> str:
        """Listen; answers the URL. Raises ``CannotListen``."""
        await self._runner.setup()
        host, port = self._place.host, self._place.port
        site = web.TCPSite(self._runner, host, port, backlog=4096, reuse_port=self._shared or None)
        if self._peers is not None:
            assert self._runner.server is not None
            self._peers.open(self._runner.server)
        try:
            await site.start()
        except OSError as error:
            raise CannotListen(self._place.refusal(error)) from error
        return self._place.url(self._runner.addresses[0][1])

    async def close(self) -> None:
        """Take no more connections."""
        for site in tuple(self._runner.sites):
            await site.stop()

    async def stop(self) -> None:
        """End the connections there are."""
        if self._peers is not None:
            self._peers.close()
        await self._runner.cleanup()
        self._connections.stop()
