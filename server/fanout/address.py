"""REDIS_URL taken apart: one server, the sentinels of one, or some nodes of a cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import parse_qsl, unquote, urlencode

from redis.asyncio.connection import parse_url

from server.fanout.endpoint import Endpoint

Kind = Literal["single", "sentinel", "cluster"]
_SENTINEL_PORT, _REDIS_PORT = 26379, 6379


@dataclass(frozen=True, slots=True)
class Address:
    """``options`` are redis-py's for any of the servers; ``hosts`` the sentinels or the first nodes of a cluster."""

    kind: Kind
    endpoint: Endpoint
    hosts: tuple[tuple[str, int], ...]
    options: dict[str, Any]
    master: str = ""
    sentinel_options: dict[str, Any] | None = None


def parse(url: str) -> Address:
    scheme, _, rest = url.partition("://")
    base, _, kind = scheme.lower().partition("+")
    if kind not in ("sentinel", "cluster"):
        options = dict(parse_url(url))
        endpoint = Endpoint.of(options)
        return Address("single", endpoint, ((endpoint.host, endpoint.port),), options)
    netloc, _, tail = rest.partition("/")
    path, _, query = tail.partition("?")
    if "?" in netloc:
        netloc, _, query = netloc.partition("?")
    words = dict(parse_qsl(query))
    sentinel = {k.removeprefix("sentinel_"): words.pop(k) for k in tuple(words) if k.startswith("sentinel_")}
    credentials, at, hosts = netloc.rpartition("@")
    found = tuple(_host(each, _SENTINEL_PORT if kind == "sentinel" else _REDIS_PORT) for each in hosts.split(","))
    master, _, database = path.partition("/")
    options = dict(parse_url(f"{base}://{credentials}{at}host/{database}?{urlencode(words)}"))
    options.pop("host", None)
    return Address(
        kind="sentinel" if kind == "sentinel" else "cluster",
        endpoint=Endpoint.of(options),
        hosts=found,
        options=options,
        master=unquote(master),
        sentinel_options=sentinel,
    )


def _host(text: str, default: int) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or port.endswith("]"):
        host, port = text, str(default)
    return host.strip("[]"), int(port)
