"""Which web pages may talk to the server."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web

_PREFLIGHT_SECONDS: Final = "600"


class Origins:
    """An explicit list; with none, only pages from the host that is asked. Native clients send no Origin at all."""

    __slots__ = ("_allowed", "_credentials")

    def __init__(self, allowed: str | Iterable[str] | None, credentials: bool) -> None:
        self._credentials = credentials
        listed = [allowed] if isinstance(allowed, str) else allowed
        self._allowed = None if listed is None else frozenset(listed)

    def accept(self, request: web.Request) -> bool:
        """Whether the request may be served."""
        origin = request.headers.get("Origin")
        if origin is None:
            return True
        if self._allowed is not None:
            return origin in self._allowed or "*" in self._allowed
        host = urlsplit(origin).netloc
        return bool(host) and host.lower() == request.host.lower()

    def headers(self, request: web.Request) -> dict[str, str]:
        """What lets the page of an accepted origin read the answer."""
        origin = request.headers.get("Origin")
        if origin is None:
            return {}
        headers = {"Access-Control-Allow-Origin": origin, "Vary": "Origin"}
        if self._credentials:
            headers["Access-Control-Allow-Credentials"] = "true"
        if request.method == "OPTIONS":
            headers["Access-Control-Allow-Methods"] = "GET, POST, OPTIONS"
            headers["Access-Control-Max-Age"] = _PREFLIGHT_SECONDS
            asked = request.headers.get("Access-Control-Request-Headers")
            if asked is not None:
                headers["Access-Control-Allow-Headers"] = asked
        return headers
