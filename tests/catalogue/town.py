"""People of one test, and what they ask of the REST surface."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from domain.accounts import Role
from tests.harness.people import People, Person
from tests.rest.surface import Answer, Surface


@dataclass(frozen=True)
class Resident:
    """Somebody signed in; ``id``: of the profile."""

    town: Town
    person: Person
    id: str

    async def call(self, method: str, path: str, body: Any = None, **how: Any) -> Answer:
        return await self.town.surface.call(method, f"/v1{path}", body, token=self.person.token, **how)

    async def get(self, path: str) -> Answer:
        return await self.call("GET", path)

    async def post(self, path: str, body: Any = None, **how: Any) -> Answer:
        return await self.call("POST", path, body, **how)

    async def put(self, path: str, body: Any = None, **how: Any) -> Answer:
        return await self.call("PUT", path, body, **how)

    async def patch(self, path: str, body: Any = None, **how: Any) -> Answer:
        return await self.call("PATCH", path, body, **how)

    async def delete(self, path: str, **how: Any) -> Answer:
        return await self.call("DELETE", path, **how)


class Town:
    def __init__(self, surface: Surface) -> None:
        self.surface = surface
        self.store = surface.context.store
        self._people = People(self.store, surface.tokens, surface.clock)
        # In the names of whatever a test makes, because the others' is in the same database.
        self.mark = f"m{secrets.token_hex(5)}"

    async def make(self, role: Role = "client", **how: Any) -> Resident:
        person = await self._people.make(role, **how)
        user = await self.store.users.by_id(person.id)
        assert user is not None
        return Resident(self, person, user.profile_id)

    async def get(self, path: str) -> Answer:
        """As a visitor."""
        return await self.surface.get(path)
