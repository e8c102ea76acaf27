"""The sandbox as a server on loopback."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from sandbox.api import Api
from sandbox.control import Control
from sandbox.delivery import Delivery, Endpoint
from sandbox.faults import Faults
from sandbox.keepers import Keepers
from sandbox.pages import Pages
from sandbox.state import State
from sandbox.world import World

# Everybody knows them, as everybody may: they open a server on loopback in which no money moves.
SECRET_KEY = "sk_test_sandbox"  # noqa: S105
PUBLISHABLE_KEY = "pk_test_sandbox"
WEBHOOK_SECRET = "whsec_sandbox"  # noqa: S105
_BODY_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Keys:
    secret: str = SECRET_KEY
    publishable: str = PUBLISHABLE_KEY


class Sandbox:
    """``file``: where its state is kept; ``port`` 0 is a free one; ``endpoints``: who is sent webhooks."""

    def __init__(
        self, *, port: int = 0, file: Path | None = None, endpoints: Sequence[Endpoint] = (), keys: Keys | None = None,
        linger: float | None = None,
    ) -> None:  # fmt: skip
        keys = keys or Keys()
        self.url = ""
        self.state = State(file)
        self.world = World(self.state)
        self.faults = Faults()
        self.delivery = Delivery(self.state, list(endpoints))
        self.keepers = Keepers(self.delivery, WEBHOOK_SECRET, linger)
        self.control = Control(self.world, self.delivery, self.faults)
        self._api = Api(
            self.world,
            self.faults,
            {keys.secret: "secret", keys.publishable: "publishable"},
            self.delivery.enqueue,
        )
        self._port = port
        self._runner: web.AppRunner | None = None

    async def start(self) -> str:
        """The URL. Raises OSError."""
        app = web.Application(client_max_size=_BODY_BYTES)
        app.add_routes(self.control.routes())
        app.add_routes(self.keepers.routes())
        app.add_routes(Pages(self.control).routes())
        app.router.add_route("*", "/{path:v[12]/.*}", self._api.handle)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, handler_cancellation=True,
                                     shutdown_timeout=0.1)
        await self._runner.setup()
        listener = _listener(self._port)
        # Whoever has the port has the file: a second sandbox fails before it could touch it.
        self.state.open()
        self._api.forget_old_keys()
        self.url = self.world.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        await web.SockSite(self._runner, listener).start()
        await self.delivery.start()
        return self.url

    async def stop(self) -> None:
        await self.delivery.stop()
        if self._runner is not None:
            await self._runner.cleanup()
        self.state.close()


def _listener(port: int) -> socket.socket:
    listener = socket.socket()
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(128)
    except OSError:
        listener.close()
        raise
    return listener
