"""Notices that a client gives up the request it is waiting on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType

from aiohttp import web


class PollGuard(asyncio.Protocol):
    """Stands between a transport and aiohttp's protocol while a poll is open; aiohttp tells a handler nothing."""

    __slots__ = ("_inner", "_lost", "_transport")

    def __init__(self, request: web.Request, lost: Callable[[], None]) -> None:
        if request.transport is None:
            raise ConnectionResetError
        self._inner = request.protocol
        self._transport = request.transport
        self._lost: Callable[[], None] | None = lost

    def __enter__(self) -> None:
        self._transport.set_protocol(self)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._lost is not None:
            self._lost = None
            self._transport.set_protocol(self._inner)

    def data_received(self, data: bytes) -> None:
        self._inner.data_received(data)

    def eof_received(self) -> None:
        self._inner.eof_received()

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._inner.connection_lost(exc)
        if self._lost is not None:
            lost, self._lost = self._lost, None
            lost()
