"""How much of its answers the other end of a TCP connection has taken. The kernel keeps a large part for it."""

from __future__ import annotations

import asyncio
import sys
from typing import Any, Final

if sys.platform == "linux":
    import fcntl
    import socket
    import termios

    # ``tcpi_bytes_acked`` in ``struct tcp_info`` of linux/tcp.h, 64 bits in the machine's order.
    _ACKNOWLEDGED: Final = slice(120, 128)

    def waiting(transport: asyncio.Transport) -> int:
        """Bytes that were written and not acknowledged."""
        try:
            queued = fcntl.ioctl(_socket_of(transport).fileno(), termios.TIOCOUTQ, bytes(4))
        except (OSError, ValueError):  # closed meanwhile
            return 0
        return transport.get_write_buffer_size() + int.from_bytes(queued, sys.byteorder)

    def taken(transport: asyncio.Transport) -> int:
        """Bytes acknowledged so far."""
        try:
            told = _socket_of(transport).getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _ACKNOWLEDGED.stop)
        except OSError:
            return 0
        return int.from_bytes(told[_ACKNOWLEDGED], sys.byteorder)

else:

    def waiting(transport: asyncio.Transport) -> int:
        """Bytes that were written and that the kernel did not take."""
        return transport.get_write_buffer_size()

    def taken(transport: asyncio.Transport) -> int:
        """Changes when the kernel takes some."""
        return -transport.get_write_buffer_size()


def _socket_of(transport: asyncio.Transport) -> Any:
    return transport.get_extra_info("socket")
