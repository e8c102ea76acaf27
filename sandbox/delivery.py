"""Webhooks: signed as Stripe signs them, tried again until they are taken, and disturbed as a test wants."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import random
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from sandbox.reading import rendered
from sandbox.state import Object, State

# Stripe tries again for three days, after minutes first; here a developer is waiting.
_PAUSES = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
_ATTEMPTS = 40
_TIMEOUT_SECONDS = 10.0
_REMEMBERED = 1000
_AT_ONCE = 16


@dataclass
class Endpoint:
    """``types``: of the events wanted, all of them when empty."""

    url: str
    secrets: list[str]
    types: list[str] = field(default_factory=list)


@dataclass
class Disturbance:
    """How events are delivered. ``drop``: this many are lost, as if Stripe had never sent them; ``hold``: they wait."""

    copies: int = 1
    delay: float = 0.0
    jitter: float = 0.0
    drop: int = 0
    hold: bool = False
    types: list[str] = field(default_factory=list)
    """Only these are disturbed; all when empty."""


def signature(body: bytes, secrets: Sequence[str], at: int) -> str:
    """The header ``Stripe-Signature``, with one signature a secret."""
    signed = f"{at}.".encode() + body
    marks = [hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest() for secret in secrets]
    return ",".join([f"t={at}", *(f"v1={mark}" for mark in marks)])


class Delivery:
    def __init__(self, state: State, endpoints: list[Endpoint]) -> None:
        self.endpoints = endpoints
        self.disturbance = Disturbance()
        self.attempts: deque[Object] = deque(maxlen=_REMEMBERED)
        self.held: list[str] = []
        self._state = state
        self._tasks: set[asyncio.Task[None]] = set()
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._http: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """With what an earlier run did not deliver."""
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_TIMEOUT_SECONDS))
        waiting = [event["id"] for event in self._state.all("event") if event["pending_webhooks"]]
        for id in reversed(waiting):
            self._begin(id, Disturbance())

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._http is not None:
            await self._http.close()

    @property
    def pending(self) -> int:
        """Deliveries under way, those that are tried again included."""
        return len(self._tasks)

    def enqueue(self, ids: Sequence[str]) -> None:
        for id in ids:
            event = self._state.find(id, "event")
            assert event is not None
            wanting = sum(_wants(endpoint, event["type"]) for endpoint in self.endpoints)
            if not wanting:
                continue
            event["pending_webhooks"] = wanting
            self._state.put(event)
            how = self.disturbance
            if how.types and event["type"] not in how.types:
                how = Disturbance()
            if how.drop > 0:
                how.drop -= 1
                event["pending_webhooks"] = 0
                self._state.put(event)
            elif how.hold:
                self.held.append(id)
            else:
                self._begin(id, how)

    def release(self, order: str = "same", copies: int = 1) -> int:
        """Deliver what was held: in the order of events, or ``reverse``, or ``shuffle``; answers how many events."""
        ids, self.held = self.held, []
        again = [id for id in ids for _ in range(copies)]
        if order == "reverse":
            again.reverse()
        elif order == "shuffle":
            random.shuffle(again)
        for id in again:
            self._begin(id, Disturbance())
        return len(ids)

    def again(self, id: str, copies: int = 1, at: int | None = None, secret: str | None = None) -> None:
        """Deliver an event once more; ``at`` and ``secret`` for signatures that are stale or wrong."""
        for _ in range(copies):
            self._begin(id, Disturbance(), at, secret)

    def _begin(self, id: str, how: Disturbance, at: int | None = None, secret: str | None = None) -> None:
        event = self._state.find(id, "event")
        assert event is not None
        for endpoint in self.endpoints:
            if _wants(endpoint, event["type"]):
                for _ in range(how.copies):
                    pause = how.delay + random.uniform(0, how.jitter)
                    task = asyncio.create_task(self._deliver(event, endpoint, pause, at, secret))
                    self._tasks.add(task)
                    task.add_done_callback(self._tasks.discard)

    async def _deliver(
        self, event: Object, endpoint: Endpoint, pause: float, at: int | None, secret: str | None
    ) -> None:
        await asyncio.sleep(pause)
        tampered = at is not None or secret is not None
        for number in range(1 if tampered else _ATTEMPTS):
            async with self._places:
                status = await self._post(event, endpoint, at, secret)
            if 200 <= status < 300:
                event["pending_webhooks"] = max(0, event["pending_webhooks"] - 1)
                if self._state.find(event["id"]):
                    self._state.put(event)
                    self._state.commit()
                return
            await asyncio.sleep(0 if tampered else _PAUSES[min(number, len(_PAUSES) - 1)])

    async def _post(self, event: Object, endpoint: Endpoint, at: int | None, secret: str | None) -> int:
        """The status; 0 when there was none."""
        assert self._http is not None
        body = json.dumps(rendered(self._state, event), indent=2).encode()
        secrets = endpoint.secrets if secret is None else [secret]
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
            "Stripe-Signature": signature(body, secrets, int(time.time()) if at is None else at),
        }
        status, reason = 0, None
        try:
            async with self._http.post(endpoint.url, data=body, headers=headers, allow_redirects=False) as response:
                status = response.status
                await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            reason = type(error).__name__
        attempt: dict[str, Any] = {"event": event["id"], "type": event["type"], "url": endpoint.url, "status": status}
        self.attempts.append({**attempt, "error": reason})
        return status


def _wants(endpoint: Endpoint, type: str) -> bool:
    return not endpoint.types or type in endpoint.types
