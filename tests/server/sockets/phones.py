"""Somebody who signs in over REST, on several phones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import aiohttp
from bson import ObjectId

from tests.harness.nodes import RunningNode
from tests.harness.people import People, Person

PASSWORD = "correct horse battery"
Tokens = dict[str, Any]


@dataclass(frozen=True)
class Account:
    running: RunningNode
    person: Person
    http: aiohttp.ClientSession

    @classmethod
    async def make(cls, running: RunningNode, people: People, http: aiohttp.ClientSession) -> Account:
        person = await people.make()
        hashed = await running.node.passwords.hash(PASSWORD)
        users = running.node.database.collection("users")
        await users.update_one({"_id": ObjectId(person.id)}, {"$set": {"password": hashed}})
        return cls(running, person, http)

    async def login(self) -> Tokens:
        return await self.post("login", {"email": self.person.email, "password": PASSWORD})

    async def post(self, path: str, body: Any = None, token: str | None = None, status: int = 200) -> Tokens:
        return await self.call("POST", path, body, token, status)

    async def call(
        self, method: str, path: str, body: Any = None, token: str | None = None, status: int = 200
    ) -> Tokens:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        options = {} if body is None else {"json": body}
        url = f"{self.running.url}/v1/auth/{path}"
        async with self.http.request(method, url, headers=headers, **options) as response:
            text = await response.text()
            assert response.status == status, text
            found: Tokens = await response.json(content_type=None) if text else {}
            return found
