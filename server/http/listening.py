"""Where a node listens: one port, which the workers of a program share."""

from __future__ import annotations

from aiohttp import web

from server.http.connections import Connections
from server.http.server import Runner
from server.settings import Settings
from server.workers.neighbours import Neighbours

_KEEP_ALIVE_SECONDS = 75.0
# What requests are given at the end, twice: to finish, and to be cancelled.
_REQUESTS_SECONDS = 0.75


class Listener:
    def __init__(
        self, app: web.Application, connections: Connections, settings: Settings, neighbours: Neighbours | None
    ) -> None:
        self._connections = connections
        self._settings = settings
        self._neighbours = neighbours
        self._runner = Runner(
            app,
            connections,
            access_log=None,
            shutdown_timeout=_REQUESTS_SECONDS,
            keepalive_timeout=_KEEP_ALIVE_SECONDS,
        )

    async def start(self) -> str:
        """Listen; answers the URL. Raises ``OSError`` where that cannot be."""
        await self._runner.setup()
        host, shared = self._settings.host, self._neighbours is not None
        site = web.TCPSite(self._runner, host, self._settings.port, backlog=4096, reuse_port=shared or None)
        if self._neighbours is not None:
            assert self._runner.server is not None
            self._neighbours.open(self._runner.server)
        await site.start()
        port = self._runner.addresses[0][1]
        return f"http://{'127.0.0.1' if host in ('0.0.0.0', '::') else host}:{port}"  # noqa: S104

    async def close(self) -> None:
        """Take no more connections."""
        for site in tuple(self._runner.sites):
            await site.stop()

    async def stop(self) -> None:
        """End the connections there are."""
        if self._neighbours is not None:
            self._neighbours.close()
        await self._runner.cleanup()
        self._connections.stop()
