"""Randomness, keyed hashes under one derived key a purpose, and signed URLs that need no header."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from domain.files import signed_text, url_expiry
from server.signing_key import LEAST_BYTES


class ServerSecrets:
    """Derives everything from the signing secret; raises ValueError for a short one."""

    def __init__(self, jwt_secret: str) -> None:
        require_strong(jwt_secret)
        self._root = jwt_secret.encode()
        self._keys: dict[str, bytes] = {}

    def six_digits(self, purpose: str, value: str) -> str:
        """Of a keyed hash; its bias is below 1e-71."""
        return f"{int(self.keyed_hash(purpose, value), 16) % 1_000_000:06d}"

    def random(self) -> str:
        return secrets.token_urlsafe(32)

    def keyed_hash(self, purpose: str, value: str) -> str:
        """HMAC-SHA256, 64 hex digits. ``purpose`` is a constant of ours, never input."""
        return hmac.new(self._key(purpose), value.encode(), hashlib.sha256).hexdigest()

    def _key(self, purpose: str) -> bytes:
        key = self._keys.get(purpose)
        if key is None:
            key = hmac.new(self._root, b"spotter:" + purpose.encode(), hashlib.sha256).digest()
            self._keys[purpose] = key
        return key


def require_strong(jwt_secret: str) -> None:
    if len(jwt_secret.encode()) < LEAST_BYTES:
        raise ValueError(f"JWT_SECRET has to have at least {LEAST_BYTES} bytes")


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
