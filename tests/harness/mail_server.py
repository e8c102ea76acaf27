"""A real SMTP server that keeps the mail it takes."""

from __future__ import annotations

import asyncio
import email
import email.policy
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from email.message import EmailMessage
from typing import Any

from aiosmtpd.smtp import SMTP

from handlers.mail_rendering import Mail
from handlers.mails import Codes, reset_code

SENDER = "Spotter <no-reply@spotter.example>"


def a_mail(to: str, code: str) -> Mail:
    return reset_code(to, Codes(digits=code, link="f" * 48))


def plain_of(message: EmailMessage) -> str:
    """What the plain part says."""
    plain = message.get_body(("plain",))
    assert plain is not None
    return str(plain.get_content())


class Desk:
    """Takes mail; ``replies`` are given before the first acceptance."""

    def __init__(self, replies: list[str] | None = None) -> None:
        self.replies = list(replies or [])
        self.taken: asyncio.Queue[tuple[list[str], EmailMessage]] = asyncio.Queue()
        self.tries = 0
        self.tried = asyncio.Event()
        self.open = asyncio.Event()
        self.open.set()

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.tries += 1
        self.tried.set()
        await self.open.wait()
        if self.replies:
            return self.replies.pop(0)
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        self.taken.put_nowait((envelope.rcpt_tos, message))
        return "250 OK"


@asynccontextmanager
async def served(desk: Desk) -> AsyncIterator[int]:
    loop = asyncio.get_running_loop()
    made: Callable[[], Any] = lambda: SMTP(desk, enable_SMTPUTF8=True, loop=loop)  # noqa: E731
    server = await loop.create_server(made, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def taken(desk: Desk) -> tuple[list[str], EmailMessage]:
    async with asyncio.timeout(10):
        return await desk.taken.get()
