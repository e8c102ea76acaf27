"""Firebase Cloud Messaging, HTTP v1, with an access token of a service account.

https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from http import HTTPStatus
from typing import Any

import httpx
import structlog
from google.auth.exceptions import GoogleAuthError
from google.auth.transport.requests import Request
from google.oauth2.service_account import Credentials

from handlers.ports import PushOutcome
from handlers.pushes import Push
from server.push.client import TIMEOUT_SECONDS, PushClient, loggable

log = structlog.get_logger("push")

API_BASE = "https://fcm.googleapis.com"
_SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
# Of a token: unknown, or of another project.
_GONE = frozenset({"UNREGISTERED", "SENDER_ID_MISMATCH"})


class Fcm:
    def __init__(
        self,
        account: Mapping[str, str],
        clock: Callable[[], datetime],
        base_url: str | None = None,
        *,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        """``account``: the service account's file. Raises ValueError for one that is none."""
        self._credentials: Any = Credentials.from_service_account_info(  # type: ignore[no-untyped-call]
            dict(account), scopes=[_SCOPE]
        )
        self._path = f"/v1/projects/{account['project_id']}/messages:send"
        self._clock = clock
        self._timeout_seconds = timeout_seconds
        self._client = PushClient(base_url or API_BASE, only_http2=False, timeout_seconds=timeout_seconds)
        self._renewing = asyncio.Lock()

    async def deliver(self, push: Push, registered_at: datetime) -> PushOutcome:
        try:
            headers = {"authorization": f"Bearer {await self._access_token()}"}
            answer = await self._client.post(self._path, {"message": message(push, self._clock())}, headers)
        except (httpx.TransportError, GoogleAuthError, TimeoutError) as error:
            log.warning("FCM does not answer", error=type(error).__name__)
            return "later"
        return self._outcome(answer)

    async def stop(self) -> None:
        await self._client.stop()

    async def _access_token(self) -> str:
        """Google's library renews it before it ends, in a thread of its own: once for all who want it."""
        async with self._renewing:
            if not self._credentials.valid:
                # The library's own default is two minutes.
                request = partial(Request(), timeout=self._timeout_seconds)
                async with asyncio.timeout(2 * self._timeout_seconds):
                    await asyncio.to_thread(self._credentials.refresh, request)
        return str(self._credentials.token)

    def _outcome(self, answer: httpx.Response) -> PushOutcome:
        if answer.status_code == HTTPStatus.OK:
            return "delivered"
        codes, fields = _error_of(answer)
        if codes & _GONE or (answer.status_code == HTTPStatus.BAD_REQUEST and "message.token" in fields):
            return "gone"
        log.warning("FCM refuses a push", status=answer.status_code, codes=sorted(map(loggable, codes))[:3])
        if answer.status_code == HTTPStatus.UNAUTHORIZED:
            self._credentials.expiry = datetime(1970, 1, 1)
        passing = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS)
        if answer.status_code in passing:
            return "later"
        return "refused" if answer.is_client_error else "later"


def message(push: Push, now: datetime) -> dict[str, Any]:
    """As Android and browsers take it. A silent one has data alone: the app decides what it does."""
    seconds = max(0, int((push.ends_at - now).total_seconds()))
    android: dict[str, Any] = {
        "collapse_key": push.collapse_key,
        "priority": "NORMAL" if push.silent else "HIGH",
        "ttl": f"{seconds}s",
    }
    said: dict[str, Any] = {"token": push.token, "data": dict(push.data), "android": android}
    if not push.silent:
        said["notification"] = {"title": push.title, "body": push.body}
        # What has the same tag takes its place on the screen.
        android["notification"] = {"tag": push.collapse_key}
        if push.badge is not None:
            android["notification"]["notification_count"] = push.badge
        said["webpush"] = {"headers": {"TTL": str(seconds)}, "notification": {"tag": push.collapse_key}}
    return said


def _error_of(answer: httpx.Response) -> tuple[frozenset[str], frozenset[str]]:
    """The error codes, and the fields at fault (google.rpc.Status)."""
    try:
        error = answer.json()["error"]
        details = [one for one in error.get("details", ()) if isinstance(one, dict)]
    except (ValueError, KeyError, TypeError, AttributeError):
        return frozenset(), frozenset()
    codes = {str(one["errorCode"]) for one in details if "errorCode" in one}
    fields = {str(one.get("field")) for detail in details for one in detail.get("fieldViolations", ())}
    return frozenset(codes), frozenset(fields)
