"""aiohttp's server with connections that are counted and watched, errors in the form of all others, and its listener.

The workers of a program share one port.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from struct import pack
from typing import Any

from aiohttp import EMPTY_PAYLOAD, StreamReader, hdrs, web
from aiohttp.http import HttpVersion11
from aiohttp.web_protocol import RequestHandler, _ErrInfo
from multidict import CIMultiDict, CIMultiDictProxy

from domain.errors import Code, DomainError
from rest.errors import ClosingError, of_http, unrouted
from rest.pace import EXPECTATION, PACED
from server.http import refusals
from server.http.connections import HttpConnections, taken, waiting
from server.http.refusals import MOST_HEAD_BYTES, HeadTooLarge
from server.settings import ListenAddress
from server.workers.peers import WorkerPeers

# ``struct linger``: on, for no time.
_AT_ONCE = pack("ii", 1, 0)
_HEAD_PIECE, _BODY_PIECE = 8 * 1024, 64 * 1024


class Handler(RequestHandler):
    """One HTTP connection."""

    __slots__ = ("_connections", "_kept", "_receiving", "_refused", "_secure", "_tcp")

    def __init__(self, manager: web.Server, connections: HttpConnections, *, secure: bool, **options: Any) -> None:
        super().__init__(manager, **options)
        self._connections = connections
        # aiohttp forgets a transport that it closes, though what was not read keeps that open.
        self._tcp: asyncio.Transport | None = None
        self._secure = secure
        # The body of the last request, and what was read since it moved on.
        self._receiving: StreamReader | None = None
        self._kept = 0
        self._refused = False

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

    # --- what arrives ---

    def data_received(self, data: bytes) -> None:
        """In pieces, so that of a head no more is kept than it may have; a body comes in larger ones."""
        if self._refused:
            return
        at = 0
        while True:
            piece = data[at : at + (_HEAD_PIECE if self._between_bodies else _BODY_PIECE)]
            at += len(piece)
            self._feed(piece)
            if at >= len(data) or self._refused:
                return

    @property
    def _between_bodies(self) -> bool:
        return self._receiving is None or self._receiving.is_eof()

    @property
    def _held_back(self) -> bool:
        """Whether what was read waits for us, or is no HTTP any more."""
        return self._upgraded or self._reading_paused or self._buffer_paused

    def _feed(self, piece: bytes) -> None:
        requests, content = self._request_count, None if self._between_bodies else self._receiving
        received = 0 if content is None else content.total_raw_bytes
        super().data_received(piece)
        if self._request_count != requests:
            self._kept = 0
            message, self._receiving = self._messages[-1]
            # Whatever follows is no request either, and each piece would be one more error.
            self._refused = isinstance(message, _ErrInfo)
        elif self._held_back or (content is not None and content.total_raw_bytes != received):
            self._kept = 0
        else:
            # Of a head, or of what stands around the chunks of a body.
            self._kept += len(piece)
            if self._kept > MOST_HEAD_BYTES:
                self._refuse_head()

    def _refuse_head(self) -> None:
        self._refused = True
        if not self._between_bodies:
            self.abort()
            return
        error = HeadTooLarge()
        self._messages.append((_ErrInfo(status=400, exc=error, message=error.message), EMPTY_PAYLOAD))
        self._request_count += 1
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """What the parser refuses has no handler that could answer, nor has what breaks outside of all of them."""
        if status != HTTPStatus.BAD_REQUEST or request.writer.output_size:
            super().handle_error(request, status, exc, message)
            error: DomainError = ClosingError(Code.INTERNAL, "Something went wrong on our side.")
        else:
            error = refusals.of_parser(exc)
        return _unrouted(error, request, secure=self._secure)


def _unrouted(error: DomainError, request: web.BaseRequest, *, secure: bool) -> web.Response:
    response = unrouted(error, request, secure=secure)
    response.headers.update(refusals.more_headers(error))
    return response


def _expecting(made: Callable[..., web.BaseRequest], message: Any, *how: Any) -> web.BaseRequest:
    """aiohttp would tell a client to go on before anything is known but the path: whoever reads the body does."""
    expected = message.headers.get(hdrs.EXPECT)
    if expected is None:
        return made(message, *how)
    others = [(name, value) for name, value in message.headers.items() if name.lower() != hdrs.EXPECT.lower()]
    request = made(message._replace(headers=CIMultiDictProxy(CIMultiDict(others))), *how)
    # Older clients know of none.
    if request.version >= HttpVersion11:
        request[EXPECTATION] = expected
    return request


class Server(web.Server):
    def __init__(self, made: web.Server, connections: HttpConnections, *, secure: bool) -> None:
        """As aiohttp made it for an application."""
        assert made.request_factory is not None
        super().__init__(
            partial(self._answer, made.request_handler),
            request_factory=partial(_expecting, made.request_factory),
            handler_cancellation=made.handler_cancellation,
            **made._kwargs,
        )
        self._watched = connections
        self._secure = secure

    def __call__(self) -> RequestHandler:
        return Handler(self, self._watched, secure=self._secure, loop=self._loop, **self._kwargs)

    async def _answer(self, handler: Callable[[Any], Awaitable[Any]], request: web.BaseRequest) -> web.StreamResponse:
        error = refusals.of_head(request)
        if error is None:
            try:
                response: web.StreamResponse = await handler(request)
            except web.HTTPException as raised:
                if raised.status < HTTPStatus.BAD_REQUEST:
                    raise
                response = unrouted(of_http(raised), request, secure=self._secure)
        else:
            response = _unrouted(error, request, secure=self._secure)
        if EXPECTATION in request and not response.prepared:
            # Its body may come all the same, or never: where the next request begins nobody knows.
            response.force_close()
        return response


class HttpRunner(web.AppRunner):
    """``secure``: as for the application's own answers."""

    def __init__(
        self, app: web.Application, connections: HttpConnections, *, secure: bool = False, **options: Any
    ) -> None:
        # Decoded is also what nobody asks for: a body of 2 MB kept the event loop for ten seconds behind a 404.
        super().__init__(app, auto_decompress=False, **options)
        self.connections, self._secure = connections, secure

    async def _make_server(self) -> web.Server:
        return Server(await super()._make_server(), self.connections, secure=self._secure)


_KEEP_ALIVE_SECONDS = 75.0
# What requests are given at the end, twice: to finish, and to be cancelled.
_REQUESTS_SECONDS = 0.6


class CannotListen(OSError):
    """A port is taken, or an address is another machine's; the text names the setting."""


class Listener:
    """``shared``: among workers, which take the same port. ``peers``: those who may hand connections to this one."""

    def __init__(
        self,
        app: web.Application,
        connections: HttpConnections,
        place: ListenAddress,
        *,
        shared: bool = False,
        peers: WorkerPeers | None = None,
        secure: bool = False,
    ) -> None:
        self._connections = connections
        self._place = place
        self._shared = shared
        self._peers = peers
        self._runner = HttpRunner(
            app,
            connections,
            secure=secure,
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
