"""The development's mailer: mail is printed, so that a code can be read off the terminal."""

from __future__ import annotations

import sys
from typing import TextIO

from domain.mails import Mail


class PrintedMailer:
    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stdout

    def send(self, mail: Mail) -> None:
        rule = "-" * 72
        self._out.write(f"{rule}\nMail to {mail.to}: {mail.subject}\n\n{mail.text}{rule}\n")
        self._out.flush()

    async def deliver(self, mail: Mail) -> bool:
        self.send(mail)
        return True

    async def start(self) -> None:
        """Nothing to start."""

    async def stop(self) -> None:
        """Nothing waits."""
