"""URLs that need no header: whose file, until when, and a keyed hash over both."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from domain.files import signed_text, url_expiry

_PURPOSE = "file url"


class Secrets(Protocol):
    def keyed_hash(self, purpose: str, value: str) -> str: ...


class SignedUrls:
    """Paths below the server's own address, whatever a proxy calls that."""

    def __init__(self, secrets: Secrets, clock: Callable[[], datetime]) -> None:
        self._secrets = secrets
        self._clock = clock

    def signed(self, file_id: str) -> str:
        expires = url_expiry(self._clock())
        return f"/v1/files/{file_id}?expires={expires}&signature={self._signature(file_id, expires)}"

    def verifies(self, file_id: str, expires: int, signature: str) -> bool:
        expected = self._signature(file_id, expires)
        return hmac.compare_digest(expected.encode(), signature.encode()) and expires > self._clock().timestamp()

    def _signature(self, file_id: str, expires: int) -> str:
        return self._secrets.keyed_hash(_PURPOSE, signed_text(file_id, expires))
