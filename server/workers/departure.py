"""A connection that leaves this process with the request it carries."""

from __future__ import annotations

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from server.workers import request_bytes
from server.workers.mailbox import MailboxFull, Outbox
from server.workers.request_bytes import Unfit


class Departed(web.StreamResponse):
    """What the handler returns for a request that somebody else answers."""

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Nothing is written."""
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing is written."""


async def hand_over(request: web.Request, outbox: Outbox, kind: bytes) -> web.StreamResponse:
    """Send the connection to another worker; what was not yet read from it stays in the kernel for the new owner."""
    transport = request.transport
    if transport is None or transport.is_closing():
        raise ConnectionResetError
    try:
        if transport.get_write_buffer_size():  # answers to earlier requests that were sent before this one's turn
            raise Unfit
        data = request_bytes.taken_from(request)
    except Unfit:
        return _refused()
    transport.pause_reading()
    try:
        await outbox.send(kind + data, [transport.get_extra_info("socket").fileno()])
    except (MailboxFull, OSError):
        return _refused()
    # Closes our descriptor; the connection lives on in the message. aiohttp believes that its client left.
    request.protocol.connection_lost(None)
    return Departed()


def _refused() -> web.Response:
    response = web.Response(status=503, headers={"Retry-After": "1"})
    response.force_close()
    return response
