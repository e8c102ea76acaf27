"""Whoever asks: newcomers of each role with a password, addresses that wait for a code, and their requests."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

import aiohttp
from bson import ObjectId

from domain.accounts import Role
from handlers.accounts import codes
from tests.bookings.market import Answer, Data, Market, Somebody

Asker = Somebody | None


@dataclass(frozen=True)
class Signed:
    """A body that is signed as it stands."""

    body: bytes
    signature: str


PASSWORD = "correct horse battery"


class People:
    """``people``: whoever asks, by the columns of the tables."""

    def __init__(self, market: Market) -> None:
        self.market = market
        self.node = market.nodes[0]
        self.people: dict[str, Asker] = {"nobody": None}
        self._hashed: str | None = None

    async def call(self, method: str, path: str, said: Any, who: Asker, key: str | None = None) -> Answer:
        """``said``: a form, the body or, where there is none, the query."""
        headers = {} if who is None else {"Authorization": f"Bearer {await self.market.token(who)}"}
        if key is not None:
            headers["Idempotency-Key"] = key
        place = "params" if method in ("GET", "DELETE") else "json"
        content = {"data" if isinstance(said, aiohttp.FormData) else place: said}
        if isinstance(said, Signed):
            headers |= {"Content-Type": "application/json", "Stripe-Signature": said.signature}
            content = {"data": said.body}
        url = f"{self.market.urls[0]}/v1{path}"
        async with self.market.http.request(method, url, headers=headers, **content) as response:
            is_json = "json" in response.content_type
            return Answer(response.status, await (response.json(content_type=None) if is_json else response.text()))

    async def done(self, method: str, path: str, said: Any, who: Asker) -> Any:
        answer = await self.call(method, path, said, who)
        assert answer.status < 300, answer
        return answer.body

    async def newcomer(self, role: Role) -> Somebody:
        somebody = await self.market.somebody(role)
        self._hashed = self._hashed or await self.node.passwords.hash(PASSWORD)
        users = self.node.database.collection("users")
        await users.update_one({"_id": ObjectId(somebody.id)}, {"$set": {"password": self._hashed}})
        return somebody

    async def block(self, somebody: Somebody) -> None:
        """By an administrator. What the table calls blocked keeps the token it had."""
        self.blocked_refresh_token = await self._refresh_token(somebody)
        await self.done("POST", f"/admin/users/{somebody.id}/block", {"reason": "test"}, self.people["admin"])

    # --- accounts ---

    async def a_client(self) -> str:
        """The user id of one whom nobody knows."""
        return (await self.newcomer("client")).id

    async def a_super_admin(self) -> str:
        return (await self.newcomer("superAdmin")).id

    async def a_blocked_client(self) -> str:
        user_id = await self.a_client()
        await self.done("POST", f"/admin/users/{user_id}/block", {"reason": "test"}, self.people["admin"])
        return user_id

    async def credentials(self, who: Asker) -> Data:
        return {"email": (who or await self.newcomer("client")).user.email, "password": PASSWORD}

    def new_email(self) -> str:
        return f"{secrets.token_hex(6)}@people.test"

    async def registered(self) -> tuple[str, str, str]:
        """An address that waits for its code, the registration's token, and the code."""
        email = self.new_email()
        body = {"email": email, "password": PASSWORD, "role": "client", "name": "Ann"}
        token: str = (await self.done("POST", "/auth/register", body, None))["registrationToken"]
        stored = await self.node.store.registrations.count_try(
            self.node.secrets.keyed_hash("registration", token), email, self.market.clock(), counts=False
        )
        assert stored is not None
        return email, token, codes.of_registration(self.node.context, stored).digits

    async def forgetful(self) -> tuple[str, str]:
        """An address, and its code to reset the password."""
        somebody = await self.newcomer("client")
        email = somebody.user.email
        await self.done("POST", "/auth/forgot-password", {"email": email}, None)
        key = self.node.secrets.keyed_hash("reset", email)
        asked = await self.node.store.password_resets.guess(key, "", self.market.clock(), counts=False)
        return email, codes.of_reset(self.node.context, somebody.user, asked.codes[-1]).digits

    async def reset_token(self) -> str:
        email, code = await self.forgetful()
        body = {"email": email, "code": code}
        token: str = (await self.done("POST", "/auth/verify-reset-code", body, None))["resetToken"]
        return token

    async def refresh_token(self, who: Asker) -> str:
        return self.blocked_refresh_token if who is self.people["blocked"] else await self._refresh_token(who)

    async def _refresh_token(self, who: Asker) -> str:
        token: str = (await self.done("POST", "/auth/login", await self.credentials(who), None))["refreshToken"]
        return token
