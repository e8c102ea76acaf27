"""Whose address a request came from, seen through the proxies that are ours."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address


def client_address(remote: str | None, x_forwarded_for: str | None, trusted_proxies: int) -> str:
    """The address of the client, in canonical form.

    Each trusted proxy appended the address that it saw, so with n of them the n-th entry from the right is the
    client; what lies left of it the client may have written itself. ``remote`` is who holds the connection.
    """
    entries = [entry.strip() for entry in (x_forwarded_for or "").split(",") if entry.strip()]
    if trusted_proxies <= 0 or not entries:
        return _canonical(remote or "") or ""
    # Fewer entries than proxies: the request came in behind the outer ones, whose entries are missing.
    named = entries[-min(trusted_proxies, len(entries))]
    return _canonical(named) or _canonical(remote or "") or ""


def _canonical(text: str) -> str | None:
    """Without port, brackets and zone; an IPv4 address mapped into IPv6 is that IPv4 address."""
    host = text
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(address)
