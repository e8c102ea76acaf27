"""Looking up hosts of webhooks in DNS, without a thread: a name server that hangs holds none that others wait for."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from aiohttp.abc import AbstractResolver, ResolveResult

from domain.networks import is_loopback_host

if TYPE_CHECKING:
    from dns.asyncresolver import Resolver

LOOKUP_SECONDS = 5.0
# Nobody needs more; each is tried until one connects.
_MOST_ADDRESSES = 8
_LOOPBACK = (("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6))


class Names(AbstractResolver):
    """``resolver``: made anew for each look-up, as the system's name servers change. Its library is imported for the
    first: most nodes look nobody up."""

    def __init__(self, resolver: Callable[[], Resolver] | None = None) -> None:
        self._resolver = resolver

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Raises ``OSError``."""
        if is_loopback_host(host.removesuffix(".")):
            # RFC 6761: no name server is asked for these.
            found = list(_LOOPBACK)
        else:
            from dns.asyncresolver import Resolver
            from dns.exception import DNSException

            resolver = (self._resolver or Resolver)()
            try:
                answers = await resolver.resolve_name(host, family=family, lifetime=LOOKUP_SECONDS)
            except DNSException as error:
                raise OSError(f"no address: {type(error).__name__}") from None
            found = [(address, socket.AddressFamily(kind)) for address, kind in answers.addresses_and_families()]
        return [
            ResolveResult(
                hostname=host, host=address, port=port, family=kind, proto=0, flags=socket.AI_NUMERICHOST
            )
            for address, kind in found[:_MOST_ADDRESSES]
        ]

    async def close(self) -> None:
        """Nothing is held."""
