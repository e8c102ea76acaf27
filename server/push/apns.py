"""Apple Push Notification service: HTTP/2, signed by a provider token (ES256).

https://developer.apple.com/documentation/usernotifications/sending-notification-requests-to-apns
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import httpx
import jwt
import structlog

from handlers.ports import PushOutcome
from handlers.pushes import Push
from server.push.client import TIMEOUT_SECONDS, PushClient, loggable
from server.push.configuration import ApnsAccount

log = structlog.get_logger("push")

API_BASE = "https://api.push.apple.com"
# APNs takes one for an hour, and refuses whoever makes a new one more often than every 20 minutes.
_TOKEN_LASTS = timedelta(minutes=45)
_MAX_COLLAPSE_BYTES = 64
# Of a token: a phone that has none such, or of another app or environment.
_GONE = frozenset({"BadDeviceToken", "DeviceTokenNotForTopic", "Unregistered", "ExpiredToken"})
# Of us, or of the moment.
_LATER = frozenset(
    {"ExpiredProviderToken", "InvalidProviderToken", "MissingProviderToken", "TooManyProviderTokenUpdates"}
)


class Apns:
    def __init__(
        self,
        account: ApnsAccount,
        clock: Callable[[], datetime],
        base_url: str | None = None,
        *,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        self._account = account
        self._clock = clock
        self._client = PushClient(base_url or API_BASE, only_http2=True, timeout_seconds=timeout_seconds)
        self._token: tuple[str, datetime] | None = None

    async def deliver(self, push: Push, registered_at: datetime) -> PushOutcome:
        try:
            path = f"/3/device/{quote(push.token, safe='')}"
            answer = await self._client.post(path, payload(push), self._headers(push))
        except httpx.TransportError as error:
            log.warning("APNs does not answer", error=type(error).__name__)
            return "later"
        return self._outcome(answer, registered_at)

    async def stop(self) -> None:
        await self._client.stop()

    def _headers(self, push: Push) -> dict[str, str]:
        return {
            "authorization": f"bearer {self._provider_token()}",
            "apns-topic": self._account.topic,
            "apns-id": str(push.id),
            # A badge is set by the system, whether the app wakes or not; that is an alert, if one without words.
            "apns-push-type": "background" if push.silent and push.badge is None else "alert",
            "apns-priority": "5" if push.silent else "10",
            "apns-expiration": str(int(push.ends_at.timestamp())),
            "apns-collapse-id": push.collapse_key.encode()[:_MAX_COLLAPSE_BYTES].decode(errors="ignore"),
        }

    def _provider_token(self) -> str:
        now = self._clock()
        if self._token is None or not self._token[1] <= now < self._token[1] + _TOKEN_LASTS:
            claims = {"iss": self._account.team_id, "iat": int(now.timestamp())}
            signed = jwt.encode(claims, self._account.key, algorithm="ES256", headers={"kid": self._account.key_id})
            self._token = signed, now
        return self._token[0]

    def _outcome(self, answer: httpx.Response, registered_at: datetime) -> PushOutcome:
        if answer.status_code == HTTPStatus.OK:
            return "delivered"
        error = _error_of(answer)
        reason = str(error.get("reason", ""))
        if reason in _GONE or answer.status_code == HTTPStatus.GONE:
            since = error.get("timestamp")
            # The phone came back meanwhile.
            came_back = isinstance(since, int) and since < registered_at.timestamp() * 1000
            return "refused" if came_back else "gone"
        log.warning("APNs refuses a push", status=answer.status_code, reason=loggable(reason))
        if reason == "ExpiredProviderToken":
            self._token = None
        if reason in _LATER or answer.status_code in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.FORBIDDEN):
            return "later"
        return "refused" if answer.is_client_error else "later"


def payload(push: Push) -> dict[str, Any]:
    aps: dict[str, Any] = {}
    if push.silent:
        aps["content-available"] = 1
    else:
        aps |= {"alert": {"title": push.title, "body": push.body}, "sound": "default", "mutable-content": 1}
    if push.badge is not None:
        aps["badge"] = push.badge
    if push.thread:
        aps["thread-id"] = push.thread
    return {"aps": aps, **push.data}


def _error_of(answer: httpx.Response) -> dict[str, Any]:
    try:
        error = answer.json()
    except ValueError:
        return {}
    return error if isinstance(error, dict) else {}
