"""REDIS_URL taken apart: one server, the sentinels of one, or some nodes of a cluster; and how each is greeted."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal
from urllib.parse import parse_qsl, unquote, urlencode

from redis.asyncio.connection import parse_url


def command(*parts: bytes) -> bytes:
    """A command as RESP."""
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)


@dataclass(frozen=True, slots=True)
class RedisAddress:
    host: str
    port: int
    path: str | None = None
    username: str | None = None
    password: str | None = None
    database: int = 0
    tls: ssl.SSLContext | None = None

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> RedisAddress:
        """From what redis-py makes of a URL."""
        secure = "SSL" in getattr(options.get("connection_class"), "__name__", "")
        return cls(
            host=options.get("host") or "localhost",
            port=int(options.get("port") or 6379),
            path=options.get("path"),
            username=options.get("username"),
            password=options.get("password"),
            database=int(options.get("db") or 0),
            tls=_context(options) if secure else None,
        )

    def at(self, address: tuple[str, int]) -> RedisAddress:
        """Another server of the same deployment."""
        return replace(self, host=address[0], port=address[1], path=None)

    def setup_commands(self) -> list[bytes]:
        """Each of these has to be answered without an error before the connection is of use."""
        commands_sent = []
        if self.password:
            user = (self.username.encode(),) if self.username else ()
            commands_sent.append(command(b"AUTH", *user, self.password.encode()))
        if self.database:
            commands_sent.append(command(b"SELECT", b"%d" % self.database))
        # A server that is frozen accepts connections; one that is loading its data refuses this.
        commands_sent.append(command(b"PING"))
        return commands_sent


def _context(options: Mapping[str, Any]) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=options.get("ssl_ca_certs"), capath=options.get("ssl_ca_path"))
    required = options.get("ssl_cert_reqs", "required")
    if required in ("none", "optional", None):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_OPTIONAL if required == "optional" else ssl.CERT_NONE
    elif options.get("ssl_check_hostname") is False:
        context.check_hostname = False
    if options.get("ssl_certfile"):
        context.load_cert_chain(options["ssl_certfile"], options.get("ssl_keyfile"), options.get("ssl_password"))
    return context


Kind = Literal["single", "sentinel", "cluster"]
_SENTINEL_PORT, _REDIS_PORT = 26379, 6379


@dataclass(frozen=True, slots=True)
class Address:
    """``options`` are redis-py's for any of the servers; ``hosts`` the sentinels or the first nodes of a cluster."""

    kind: Kind
    endpoint: RedisAddress
    hosts: tuple[tuple[str, int], ...]
    options: dict[str, Any]
    master: str = ""
    sentinel_options: dict[str, Any] | None = None


def parse(url: str) -> Address:
    scheme, _, rest = url.partition("://")
    base, _, kind = scheme.lower().partition("+")
    if kind not in ("sentinel", "cluster"):
        options = dict(parse_url(url))
        endpoint = RedisAddress.of(options)
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
        endpoint=RedisAddress.of(options),
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
