"""Keyed requests as data: made once by one version of the server, and repeated against a later one."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from domain.accounts import Role
from domain.wire.events import NAMESPACES
from tests.bookings.market import Data, Market, Somebody
from tests.files.samples import PDF
from tests.harness.devices import Device, device


@dataclass(frozen=True)
class Request:
    """``call``: ``METHOD /path`` or ``/namespace event``; without a path, the body of an upload is a file's bytes."""

    who: str
    call: str
    key: str
    body: Data | None = None

    @property
    def event(self) -> str | None:
        place, name = self.call.split()
        return name if place.startswith("/") else None


@dataclass
class Surfaces:
    """Both surfaces of a node, and the people who use them."""

    market: Market
    people: dict[str, Somebody] = field(default_factory=dict)
    devices: dict[str, Device] = field(default_factory=dict)

    async def send(self, request: Request) -> Data:
        """``{"status": …, "body": …}``, or the acknowledgement."""
        place, name = request.call.split()
        who = self.people[request.who]
        if request.event is not None:
            said = {**(request.body or {}), "idempotencyKey": request.key}
            return await self.devices[request.who].ask(name, said, place)
        headers = {"Authorization": f"Bearer {await self.market.token(who)}", "Idempotency-Key": request.key}
        content: Data = {"data": _form(request.body)} if name == "/files" else {"json": request.body}
        url = f"{self.market.urls[0]}/v1{name}"
        async with self.market.http.request(place, url, headers=headers, **content) as response:
            text = await response.text()
            return {"status": response.status, "body": await response.json(content_type=None) if text else None}


@asynccontextmanager
async def connected(surfaces: Surfaces) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        for label, who in surfaces.people.items():
            token = await surfaces.market.token(who)
            person = type(who.person)(who.id, who.user.role, who.user.email, token, who.person.session_id)
            phone = await stack.enter_async_context(device(surfaces.market.urls[0], person, NAMESPACES))
            surfaces.devices[label] = phone
        yield


def _form(body: Data | None) -> aiohttp.FormData:
    form = aiohttp.FormData()
    form.add_field("file", PDF + (body or {}).get("more", "").encode(), filename="a.pdf")
    return form


def new_key() -> str:
    return secrets.token_hex(8)


def role_of(label: str) -> Role:
    roles: dict[str, Role] = {"client": "client", "trainer": "trainer", "other": "client", "admin": "admin"}
    return roles[label]


# Fields of answers that later versions have more.
ADDED = frozenset({"utcOffsets"})


def comparable(answer: Any) -> Any:
    """Without what is as it now stands: the signatures of URLs, and what a booking's parties are called."""
    if isinstance(answer, dict):
        if answer.keys() == {"id", "userId", "name", "profile_image"}:
            return answer["id"]
        # A file's name is one of them; a profile's or a category's is not.
        added = ADDED | {"name"} if "contentType" in answer else ADDED
        return {name: comparable(value) for name, value in answer.items() if name not in added}
    if isinstance(answer, list):
        return [comparable(value) for value in answer]
    if isinstance(answer, str) and answer.startswith("/v1/files/"):
        return answer.partition("?")[0]
    return answer
