"""One HTTP client to a push service: HTTP/2, many requests on a connection, and a new one after a failure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import httpx

# Of one request, from connecting to the whole answer.
TIMEOUT_SECONDS = 10.0


_CODE = re.compile(r"[A-Za-z][A-Za-z_]{0,59}")


def loggable(code: object) -> str:
    """What a service calls its reason, if it is a word; whatever else it says may quote what it was sent."""
    return code if isinstance(code, str) and _CODE.fullmatch(code) else "other"


@dataclass(slots=True)
class _Shared:
    client: httpx.AsyncClient
    users: int = 0
    given_up: bool = False


class PushClient:
    """A connection on which nothing comes any more is not noticed by HTTP/2 itself: each failure of transport leaves
    the connection to those who still wait on it, and the next request opens another."""

    def __init__(self, base_url: str, *, only_http2: bool, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._base_url = base_url
        self._only_http2 = only_http2
        self._timeout_seconds = timeout_seconds
        self._shared: _Shared | None = None

    async def post(self, path: str, body: object, headers: Mapping[str, str]) -> httpx.Response:
        """Raises ``httpx.TransportError``."""
        shared = self._shared
        if shared is None:
            shared = self._shared = _Shared(self._made())
        shared.users += 1
        try:
            return await shared.client.post(path, json=body, headers=headers)
        except httpx.TransportError:
            shared.given_up = True
            if self._shared is shared:
                self._shared = None
            raise
        finally:
            shared.users -= 1
            if shared.given_up and not shared.users:
                await shared.client.aclose()

    async def stop(self) -> None:
        shared, self._shared = self._shared, None
        if shared is not None:
            await shared.client.aclose()

    def _made(self) -> httpx.AsyncClient:
        # No proxy of the environment and no redirect: tokens go where the setting says.
        return httpx.AsyncClient(
            base_url=self._base_url,
            http1=not self._only_http2,
            http2=True,
            timeout=self._timeout_seconds,
            limits=httpx.Limits(max_connections=4, max_keepalive_connections=4),
            follow_redirects=False,
            trust_env=False,
        )
