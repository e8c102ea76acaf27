"""People of one test, and what they ask of the REST surface."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any

from domain.accounts import Role
from domain.bookings import Booking, Status
from domain.times import whole_milliseconds
from store.database import ClientSession
from tests.harness.people import People, Person
from tests.rest.surface import Answer, Surface


@dataclass(frozen=True)
class Member:
    """Somebody signed in; ``id``: of the profile."""

    catalogue: CatalogueService
    person: Person
    id: str

    async def call(self, method: str, path: str, body: Any = None, **how: Any) -> Answer:
        return await self.catalogue.surface.call(method, f"/v1{path}", body, token=self.person.token, **how)

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


class CatalogueService:
    def __init__(self, surface: Surface) -> None:
        self.surface = surface
        self.store = surface.context.store
        self._people = People(self.store, surface.tokens, surface.clock)
        # In the names of whatever a test makes, because the others' is in the same database.
        self.mark = f"m{secrets.token_hex(5)}"
        self._numbers = count(1)

    async def make(self, role: Role = "client", **how: Any) -> Member:
        person = await self._people.make(role, **how)
        user = await self.store.users.by_id(person.id)
        assert user is not None
        return Member(self, person, user.profile_id)

    async def again(self, somebody: Member) -> Member:
        """Signed in anew."""
        return Member(self, await self._people.another_device(somebody.person), somebody.id)

    async def person(self, email: str, token: str) -> Person:
        """Somebody who registered."""
        user = await self.surface.user(email)
        return Person(str(user["_id"]), user["role"], email, token, "")

    async def get(self, path: str) -> Answer:
        """As a visitor."""
        return await self.surface.get(path)

    async def trainer(self, **profile: Any) -> Member:
        """One in this test's country, so that a search finds the test's own."""
        trainer = await self.make("trainer", name=profile.pop("name", "Tara"))
        await self.done(trainer.patch("/me/profile", {"country": self.mark, **profile}))
        return trainer

    async def priced(self, price: int, **profile: Any) -> Member:
        trainer = await self.trainer(**profile)
        await self.sells(trainer, individualSessionPrice=price, isIndividualSesionAvailable=True)
        return trainer

    async def sells(self, trainer: Member, **pricing: Any) -> None:
        await self.done(trainer.put("/me/pricing", pricing))

    async def category(self, *subs: str, name: str = "Sport") -> tuple[str, list[str]]:
        """The ids of a new category and its subcategories; the names carry the test's mark."""
        admin = await self.make("admin")
        number = next(self._numbers)
        made = await self.done(admin.post("/admin/categories", {"name": f"{name} {self.mark}{number}"}))
        ids = [
            (await self.done(admin.post("/admin/subcategories", {"name": sub, "category": made["id"]})))["id"]
            for sub in subs
        ]
        return made["id"], ids

    async def offers(self, trainer: Member, category: str, *subs: str) -> None:
        body = {"specializations": [{"sessionCategory": category, "subCategories": subs}]}
        await self.done(trainer.put("/me/specializations", body))

    async def booking(self, client: Member, trainer: Member, status: Status = "completed") -> str:
        """The id of a session that is over."""
        start = whole_milliseconds(self.surface.clock()) - timedelta(days=2, hours=2 * next(self._numbers))
        return await self._book(client, trainer, start, status)

    async def occupy(self, trainer: Member, day: date, hour: int) -> None:
        """Somebody's session of an hour, in UTC."""
        start = datetime(day.year, day.month, day.day, hour, tzinfo=UTC)
        await self._book(await self.make("client"), trainer, start, "confirmed")

    async def _book(self, client: Member, trainer: Member, start: datetime, status: Status) -> str:
        booking = Booking(
            id=self.store.bookings.new_id(),
            trainer_id=trainer.id,
            client_id=client.id,
            trainer_user_id=trainer.person.id,
            client_user_id=client.person.id,
            conversation_id=self.store.bookings.new_id(),
            starts_at=start,
            ends_at=start + timedelta(hours=1),
            time_zone="UTC",
            break_mins=0,
            cancellation_policy="ALWAYS_FREE",
            status=status,
            paid_with="credit",
            arranged_at=start,
            created_at=start,
            updated_at=start,
        )

        async def insert(session: ClientSession) -> None:
            await self.store.bookings.insert(booking, start, session=session)

        await self.surface.database.transaction(insert)
        return booking.id

    async def review(self, trainer: Member, rating: int, client: Member | None = None, **more: Any) -> Any:
        client = client or await self.make("client")
        booking = await self.booking(client, trainer)
        return await self.done(client.post(f"/bookings/{booking}/review", {"rating": rating, **more}))

    async def found(self, query: str = "") -> list[str]:
        """The ids of this test's trainers whom a search finds, in order."""
        answer = await self.get(f"/trainers?country={self.mark}{query and '&' + query}")
        assert answer.status == 200, answer.text
        return [item["id"] for item in answer.body["items"]]

    @staticmethod
    async def done(asked: Awaitable[Answer]) -> Any:
        """The body of a success."""
        answer = await asked
        assert answer.status in (200, 201, 204), answer.text
        return answer.body
