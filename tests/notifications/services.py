"""APNs and FCM as they speak: HTTP/2 (APNs in nothing else), their paths, headers and errors; what comes is kept."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

APNS_KEY = ec.generate_private_key(ec.SECP256R1())
FCM_KEY = rsa.generate_private_key(65537, 2048)
# Whoever gives them, Google's library asks for them in this name.
GOOGLE = "https://oauth2.googleapis.com/token"
TOPIC, TEAM, KEY_ID, PROJECT = "example.spotter", "TEAM123456", "KEY1234567", "spotter-test"


def pem(key: Any) -> str:
    return str(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())


def public(key: Any) -> str:
    return str(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())


@dataclass
class Received:
    path: str
    headers: dict[str, str]
    body: Any
    http_version: str

    @property
    def id(self) -> str:
        return self.headers.get("apns-id") or str(self.body["message"]["data"]["id"])

    @property
    def to(self) -> str:
        """The token of a device."""
        return self.path.rpartition("/")[2] if "apns-id" in self.headers else str(self.body["message"]["token"])

    @property
    def said(self) -> str | None:
        """The words on the screen; nothing of a silent one."""
        if "apns-id" in self.headers:
            alert = self.body["aps"].get("alert")
            return None if alert is None else str(alert["body"])
        notification = self.body["message"].get("notification")
        return None if notification is None else str(notification["body"])

    @property
    def data(self) -> dict[str, str]:
        """For the app."""
        body = self.body if "apns-id" in self.headers else self.body["message"]["data"]
        return {name: value for name, value in body.items() if name != "aps"}


@dataclass
class PushService:
    """``replies``: status and body of the next answers; after that everything is taken. While ``open`` is not set
    nothing is answered."""

    replies: list[tuple[int, Any]] = field(default_factory=list)
    received: asyncio.Queue[Received] = field(default_factory=asyncio.Queue)
    signed: list[dict[str, Any]] = field(default_factory=list)
    open: asyncio.Event = field(default_factory=asyncio.Event)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    url: str = ""
    tries: int = 0

    def __post_init__(self) -> None:
        self.open.set()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body = b""
        while True:
            event = await receive()
            body += event.get("body", b"")
            if not event.get("more_body"):
                break
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        if scope["path"] == "/token":
            await self._answer(send, 200, self._access_token(body))
            return
        self.tries += 1
        self.arrived.set()
        await self.open.wait()
        status, said = self.replies.pop(0) if self.replies else (200, {})
        if status == 200:
            self.received.put_nowait(Received(scope["path"], headers, json.loads(body), scope["http_version"]))
        await self._answer(send, status, said)

    def _access_token(self, body: bytes) -> dict[str, Any]:
        asked = parse_qs(body.decode())
        assert asked["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
        (assertion,) = asked["assertion"]
        self.signed.append(jwt.decode(assertion, public(FCM_KEY), ["RS256"], audience=GOOGLE))
        return {"access_token": f"access-{len(self.signed)}", "expires_in": 3600, "token_type": "Bearer"}

    async def _answer(self, send: Any, status: int, said: Any) -> None:
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps(said).encode()})

    def account(self) -> dict[str, str]:
        """A service account of FCM whose tokens this service gives."""
        return {
            "type": "service_account",
            "project_id": PROJECT,
            "client_email": "push@spotter-test.example",
            "private_key": pem(FCM_KEY),
            "token_uri": f"{self.url}/token",
        }


@asynccontextmanager
async def serving(service: PushService) -> AsyncIterator[PushService]:
    listening = socket.create_server(("127.0.0.1", 0))
    service.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    # Here, as they take a second to load and every process of the tests would.
    from hypercorn.asyncio import serve
    from hypercorn.config import Config

    config, ended = Config(), asyncio.Event()
    config.bind = [f"fd://{listening.detach()}"]
    config.graceful_timeout = 0.1
    config.loglevel = "CRITICAL"
    running = asyncio.create_task(serve(service, config, shutdown_trigger=ended.wait))
    try:
        yield service
    finally:
        service.open.set()
        ended.set()
        await running


def settings(apns: PushService, fcm: PushService) -> dict[str, str]:
    """Of a node that pushes to these."""
    return {
        "APNS_KEY": pem(APNS_KEY),
        "APNS_KEY_ID": KEY_ID,
        "APNS_TEAM_ID": TEAM,
        "APNS_TOPIC": TOPIC,
        "APNS_API_BASE": apns.url,
        "FCM_SERVICE_ACCOUNT": json.dumps(fcm.account()),
        "FCM_API_BASE": fcm.url,
    }
