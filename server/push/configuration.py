"""What the push services need to be set to; without a service's settings nothing goes to it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from server.setting_values import SettingReader

_APNS = ("APNS_KEY", "APNS_KEY_ID", "APNS_TEAM_ID", "APNS_TOPIC")
_OF_ACCOUNT = ("project_id", "client_email", "private_key", "token_uri")


@dataclass(frozen=True, slots=True)
class ApnsAccount:
    """``key``: the signing key in PEM. ``topic``: the app's bundle id."""

    key: str = field(repr=False)
    key_id: str
    team_id: str
    topic: str


@dataclass(frozen=True, slots=True)
class PushSettings:
    apns: ApnsAccount | None = None
    apns_api_base: str | None = None
    fcm: Mapping[str, str] | None = field(default=None, repr=False)
    fcm_api_base: str | None = None
    after: timedelta = timedelta(seconds=10)
    digest_after: timedelta = timedelta(hours=1)


def read_push(read: SettingReader, *, production: bool) -> PushSettings:
    schemes = ("https",) if production else ("http", "https")
    return PushSettings(
        apns=_apns(read),
        apns_api_base=read.url("APNS_API_BASE", schemes),
        fcm=_fcm(read),
        fcm_api_base=read.url("FCM_API_BASE", schemes),
        after=timedelta(seconds=read.integer("PUSH_AFTER_SECONDS", 10, 1, 3600)),
        digest_after=timedelta(minutes=read.integer("DIGEST_AFTER_MINUTES", 60, 1, 7 * 24 * 60)),
    )


def _apns(read: SettingReader) -> ApnsAccount | None:
    given = {name: read.text(name) for name in _APNS}
    if not any(given.values()):
        return None
    for name, value in given.items():
        if value is None:
            read.refuse(name, "is needed for pushes to Apple's devices, as the other APNS_ settings are")
    key = _content(read, "APNS_KEY")
    if key is not None and not _is_signing_key(key):
        read.refuse("APNS_KEY", "must be a signing key of APNs (.p8), or the file that has it")
    values = [value or "" for value in given.values()]
    return ApnsAccount(key or "", *values[1:])


def _fcm(read: SettingReader) -> Mapping[str, str] | None:
    text = _content(read, "FCM_SERVICE_ACCOUNT")
    if text is None:
        return None
    try:
        account = json.loads(text)
        missing = [name for name in _OF_ACCOUNT if not isinstance(account.get(name), str)]
        if not missing:
            load_pem_private_key(account["private_key"].encode(), None)
            return {name: account[name] for name in _OF_ACCOUNT}
    except (ValueError, AttributeError):
        pass
    read.refuse("FCM_SERVICE_ACCOUNT", "must be a service account in JSON, or the file that has it")
    return None


def _content(read: SettingReader, name: str) -> str | None:
    """Of a secret that is given itself, or in a file of its own."""
    value = read.text(name)
    if value is None or value.startswith(("{", "-----")):
        return value
    try:
        return Path(value).expanduser().read_text(encoding="utf-8")
    except (OSError, ValueError):
        read.refuse(name, "names a file that cannot be read")
        return None


def _is_signing_key(pem: str) -> bool:
    try:
        key = load_pem_private_key(pem.encode(), None)
    except (ValueError, TypeError):
        return False
    return isinstance(key, EllipticCurvePrivateKey) and isinstance(key.curve, SECP256R1)
