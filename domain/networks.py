"""What limits by address count: an address may be one of many that somebody has. Which origins may call."""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit


def network_of(address: str) -> str:
    """An IPv6 address by its /64: whoever has one has all of them. One mapped from IPv4 is that."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ip_network((parsed, 64), strict=False))


# A site has as much as so many networks of what is counted by network.
NETWORKS_OF_SITE = 8


@lru_cache(maxsize=10_000)
def site_of(network: str) -> str:
    """The /48 of an IPv6 network: anybody can have one, and with it 65,536 networks. An IPv4 address is its own."""
    try:
        parsed = ip_network(network)
    except ValueError:
        return network
    return str(parsed.supernet(new_prefix=48)) if parsed.version == 6 and parsed.prefixlen > 48 else network


# Among allowed origins: all those of the machine itself, whatever their port.
LOOPBACK = "loopback"


def is_loopback_origin(origin: str) -> bool:
    """A page that the machine of whoever looks at it serves: ``http://localhost:5173``, ``http://[::1]``."""
    try:
        parts = urlsplit(origin)
        host, port = parts.hostname, parts.port
    except ValueError:
        return False
    if parts.scheme not in {"http", "https"} or host is None:
        return False
    written = f"[{host}]" if ":" in host else host
    if origin.lower() != f"{parts.scheme}://{written}" + ("" if port is None else f":{port}"):
        return False
    return is_loopback_host(host)


def is_loopback_host(host: str) -> bool:
    """The machine itself, by name or address."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def allows_origin(allowed: Collection[str], origin: str) -> bool:
    """``allowed`` may hold ``*`` (any) and ``LOOPBACK`` besides origins in lower case."""
    return "*" in allowed or origin.lower() in allowed or (LOOPBACK in allowed and is_loopback_origin(origin))
