"""What limits by address count: an address may be one of many that somebody has. Which origins may call."""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
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


# Their last 32 bits are an address of IPv4 (RFC 6052).
_NAT64 = ip_network("64:ff9b::/96")
# Special ones that versions of Python disagree about (IANA's registries).
_SPECIAL = (ip_network("192.0.0.0/24"), ip_network("192.88.99.0/24"))


def is_public_address(address: str) -> bool:
    """Whether it leads to a host of the internet: not to the machine itself, a network of its own, several hosts, or
    anything else that is set apart. An IPv4 address within one of IPv6 counts as itself."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(parsed, IPv6Address):
        inner = parsed.ipv4_mapped or parsed.sixtofour
        if parsed in _NAT64:
            inner = IPv4Address(int(parsed) & 0xFFFF_FFFF)
        if inner is not None:
            return is_public_address(str(inner))
        if parsed.is_site_local:
            return False
    special = any(parsed in network for network in _SPECIAL)
    return parsed.is_global and not (special or parsed.is_multicast or parsed.is_reserved)


def allows_origin(allowed: Collection[str], origin: str) -> bool:
    """``allowed`` may hold ``*`` (any) and ``LOOPBACK`` besides origins in lower case."""
    return "*" in allowed or origin.lower() in allowed or (LOOPBACK in allowed and is_loopback_origin(origin))
