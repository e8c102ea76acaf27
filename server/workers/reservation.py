"""A port that is ours for as long as the parent lives, whichever workers listen on it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager


@contextmanager
def reserved(host: str, port: int) -> Iterator[int]:
    """The port, which others than our workers cannot have. Raises OSError."""
    with ExitStack() as stack:
        for family, *_, address in _addresses(host, port):
            # All addresses of a name get the port that the first one was given.
            place = (address[0], port, *address[2:])
            port = stack.enter_context(_bound(family, place)).getsockname()[1]
        yield port


def _addresses(host: str, port: int) -> list[tuple[int, int, int, str, tuple[str, int, int, int]]]:
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)  # type: ignore[return-value]


def _bound(family: int, place: tuple[str | int, ...]) -> socket.socket:
    """Bound alone, so that a port in use is refused, and shared afterwards; it never listens."""
    reservation = socket.socket(family)
    try:
        reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            reservation.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        reservation.bind(place)
        reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    except BaseException:
        reservation.close()
        raise
    return reservation
