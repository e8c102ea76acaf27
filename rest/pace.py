"""How long a body is waited for: as long as its sender comes on, and so much faster the larger it says it is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from aiohttp import ClientError, web
from aiohttp.http_exceptions import BadHttpMessage

from domain.errors import Code, DomainError
from rest.errors import body_too_slow

T = TypeVar("T")

# Its route waits for the body and answers when it does not come; the connections' watch need not cut it.
PACED = web.RequestKey("paced", bool)
BROKEN = (ClientError, BadHttpMessage, web.RequestPayloadError, ConnectionError, ValueError, AssertionError, EOFError)


# What the request expects before its body is sent; taken away where it was answered.
EXPECTATION = web.RequestKey("expectation", str)


async def go_on(request: web.BaseRequest) -> None:
    """The body is wanted: said just before it is read, once nothing refuses it any more (RFC 9110, 10.1.1)."""
    if EXPECTATION in request:
        del request[EXPECTATION]
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        # The answer itself has not begun.
        request.writer.output_size = 0


class Pace:
    """Never stalled for long; no slower than a slow phone needs; all of it within ten minutes.

    100 MB have to come at 175 kB a second, 10 MB and less at 16 KiB.
    """

    STALL_SECONDS = 20.0
    GRACE_SECONDS = 30.0
    LONGEST_SECONDS = 600.0
    BYTES_A_SECOND = 16 * 1024

    def __init__(self, declared: int | None) -> None:
        """``declared``: the length of the body, where its sender declares it."""
        self._started = asyncio.get_running_loop().time()
        self._received = 0
        needed = (declared or 0) / (self.LONGEST_SECONDS - self.GRACE_SECONDS)
        self._bytes_a_second = max(self.BYTES_A_SECOND, needed)
        self._reading: asyncio.Timeout | None = None
        self._crowded_out: DomainError | None = None
        self.is_over = False

    @property
    def due(self) -> float:
        """When more has to be there than is now, by the loop's time."""
        allowed = min(self.LONGEST_SECONDS, self.GRACE_SECONDS + self._received / self._bytes_a_second)
        return self._started + allowed

    @property
    def speed(self) -> float:
        """Bytes a second so far."""
        return self._received / max(1.0, asyncio.get_running_loop().time() - self._started)

    def crowd_out(self, error: DomainError) -> None:
        """Others need the place: what is read from now on raises the error."""
        self._crowded_out = error
        if self._reading is not None:
            self._reading.reschedule(asyncio.get_running_loop().time())

    async def read(self, reading: Awaitable[T]) -> T:
        """Raises ``malformed`` for what does not come in time, or breaks off."""
        now = asyncio.get_running_loop().time()
        until = now if self._crowded_out is not None else min(now + self.STALL_SECONDS, self.due)
        try:
            async with asyncio.timeout_at(until) as self._reading:
                got = await reading
        except TimeoutError:
            raise self._crowded_out or body_too_slow() from None
        except BROKEN:
            raise malformed_form() from None
        finally:
            self._reading = None
        if isinstance(got, bytes | bytearray):
            self._received += len(got)
        return got


def malformed_form() -> DomainError:
    return DomainError(Code.MALFORMED, "The body is not a whole multipart/form-data.")
