"""Several nodes over one database, and people with passwords who sign in to them over REST."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp

from domain.accounts import Role
from server.app import utc_now
from tests.harness.nodes import RunningNode, running_node
from tests.harness.people import People, Person

PASSWORD = "correct horse battery"
# Where nothing listens.
DEAD_REDIS = "redis://127.0.0.1:1/0"
# 2 s are promised; tests assert three times as much.
WITHIN_SECONDS = 6.0
Data = dict[str, Any]


@dataclass(frozen=True)
class Answer:
    status: int
    body: Data

    @property
    def code(self) -> str:
        return str(self.body.get("code"))


@dataclass(frozen=True)
class Fleet:
    nodes: list[RunningNode]
    http: aiohttp.ClientSession
    people: People

    async def post(self, at: int, path: str, body: Data | None = None, token: str | None = None) -> Answer:
        return await self.call("POST", at, path, body, token)

    async def call(
        self, method: str, at: int, path: str, body: Data | None = None, token: str | None = None
    ) -> Answer:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with self.http.request(
            method, f"{self.nodes[at].url}/v1{path}", json=body, headers=headers
        ) as response:
            text = await response.text()
            return Answer(response.status, json.loads(text) if text else {})

    async def person(self, role: Role = "client") -> Person:
        """With a password."""
        made = await self.people.make(role)
        node = self.nodes[0].node
        hashed = await node.passwords.hash(PASSWORD)
        await node.database.collection("users").update_one({"email": made.email}, {"$set": {"password": hashed}})
        return made

    async def login(self, person: Person, at: int = 0, password: str = PASSWORD) -> Data:
        """The tokens of another session."""
        answer = await self.post(at, "/auth/login", {"email": person.email, "password": password})
        assert answer.status == 200, answer
        return answer.body


@asynccontextmanager
async def fleet(
    mongo_url: str, redis_url: str, data_dir: Path, *clocks: Callable[[], datetime]
) -> AsyncIterator[Fleet]:
    """One node for each clock, two when none is given."""
    async with AsyncExitStack() as stack:
        nodes = [
            await stack.enter_async_context(running_node(mongo_url, redis_url, data_dir, clock))
            for clock in clocks or (utc_now, utc_now)
        ]
        http = await stack.enter_async_context(aiohttp.ClientSession())
        yield Fleet(nodes, http, People(nodes[0].node.store, nodes[0].node.tokens, utc_now))
