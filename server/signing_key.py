"""The key that signs access tokens: how weak is too weak, and the one a development machine makes for itself."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

from server.setting_values import SettingsError

# HS256 wants a key as long as its hash.
LEAST_BYTES = 32
_LEAST_DISTINCT = 8
_PLACEHOLDERS = (
    "changeme",
    "change-me",
    "change_me",
    "changethis",
    "change-this",
    "replaceme",
    "replace-me",
    "replace_me",
    "secret",
    "password",
    "passw0rd",
    "example",
    "placeholder",
    "default",
    "insecure",
    "qwerty",
    "letmein",
    "development",
    "jwtkey",
    "spotter",
    "your-",
    "your_",
)


def is_weak(secret: str) -> str | None:
    """Why a key must not sign anything in production; None for one that may."""
    if len(secret.encode()) < LEAST_BYTES:
        return f"must have at least {LEAST_BYTES} bytes"
    if len(set(secret)) < _LEAST_DISTINCT or secret in (secret + secret)[1:-1] or _is_run(secret):
        return "is too regular; make a random one"
    if any(word in secret.lower() for word in _PLACEHOLDERS):
        return "contains a placeholder or a well-known word; make a random one"
    return None


def _is_run(secret: str) -> bool:
    """Mostly peers such as ``abcdef`` or ``111111``."""
    near = sum(abs(ord(a) - ord(b)) <= 1 for a, b in pairwise(secret))
    return near * 2 > len(secret)


def kept_key(data_dir: Path) -> str:
    """The key under ``data_dir``, made on first use; programs started together get the same one."""
    path = data_dir / "jwt_secret"
    try:
        if not path.exists():
            data_dir.mkdir(parents=True, exist_ok=True)
            _make(path)
        key = path.read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        raise SettingsError([f"JWT_SECRET: is not set, and none can be kept in DATA_DIR: {error}"]) from None
    if len(key) < LEAST_BYTES:
        raise SettingsError([f"JWT_SECRET: the one kept in {path} is damaged; remove that file"])
    return key


def _make(path: Path) -> None:
    """Written aside and linked into place: the file is never seen half written, and the first one stays."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(48) + "\n")
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            path.hardlink_to(draft)
    finally:
        draft.unlink()
