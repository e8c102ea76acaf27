"""One attempt at a delivery: to a public address, over a connection of its own, within seconds.

Each address is looked at when it is about to be connected to, whatever a name was said to lead to before. Redirects are
not followed, and of what is answered the status alone is read.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping

import aiohttp
from aiohttp.abc import AbstractResolver

from domain.networks import is_public_address
from domain.webhooks import Failure
from server.webhooks.names import Names

# From looking up the name to the answer's head.
TIMEOUT_SECONDS = 10.0
_HEADERS = {"Content-Type": "application/json", "User-Agent": "Spotter-Webhooks"}


class _PrivateAddress(OSError):
    """Raised instead of connecting."""

    def __init__(self) -> None:
        super().__init__("not a public address")


class WebhookClient:
    """Make it anywhere, use it and ``stop`` it inside one loop."""

    def __init__(
        self,
        *,
        allows_private: bool,
        names: AbstractResolver | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        self.allows_private = allows_private
        self.timeout_seconds = timeout_seconds
        self._names = names or Names()
        self._session: aiohttp.ClientSession | None = None

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Failure | None:
        """Nothing when it was taken, with any status of 200 to 299."""
        session = self._session = self._session or self._made()
        try:
            async with asyncio.timeout(self.timeout_seconds):
                async with session.post(
                    url, data=body, headers={**_HEADERS, **headers}, allow_redirects=False
                ) as answer:
                    status = answer.status
                    # The rest of it is nobody's.
                    answer.close()
        except TimeoutError:
            return Failure("timeout")
        except aiohttp.ClientSSLError:
            return Failure("tls")
        except aiohttp.ClientConnectorError as error:
            return Failure("private_address" if isinstance(error.os_error, _PrivateAddress) else "unreachable")
        except (aiohttp.ClientError, OSError, ValueError):
            return Failure("unreachable")
        if 200 <= status < 300:
            return None
        return Failure("redirect" if 300 <= status < 400 else "status", status)

    async def stop(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _made(self) -> aiohttp.ClientSession:
        # No proxy of the environment, no cookies, no connection that something was left over on.
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                resolver=self._names, use_dns_cache=False, force_close=True, limit=0, socket_factory=self._socket
            ),
            timeout=aiohttp.ClientTimeout(total=self.timeout_seconds),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
        )

    def _socket(self, found: aiohttp.AddrInfoType) -> socket.socket:
        family, kind, protocol, _, address = found
        if not self.allows_private and not is_public_address(str(address[0])):
            raise _PrivateAddress
        return socket.socket(family, kind, protocol)
