"""The REST surface of one test: served on a free port over a database of its own."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import aiohttp
from aiohttp import web

from domain.slots import SlotHint
from domain.wire.events import Event
from domain.wire.limits import SocketLimits
from handlers.context import Context
from handlers.mail_rendering import Mail
from rest.build import attach
from rest.published_limits import published
from rest.route import Services
from rest.routes import ROWS
from server.http.addresses import client_address
from server.rates import MovingWindowLimiter
from server.security.passwords import CHEAP, Argon2Passwords, Cost
from server.security.secrets import ServerSecrets, SignedUrls
from server.security.tokens import AccessTokens, Authenticator
from store.database import Database
from store.store import Store
from tests.harness.clock import RunningClock

SECRET = "a key that only these tests know, long enough"
ORIGIN = "https://app.example.com"
PASSWORD = "correct horse battery"
TRUSTED_PROXIES = 1
HERE = "203.0.113.1"


class Mailbox:
    """Keeps the mails; ``code`` waits for nothing because mail is queued before the answer."""

    def __init__(self) -> None:
        self.mails: list[Mail] = []

    def send(self, mail: Mail) -> None:
        self.mails.append(mail)

    async def deliver(self, mail: Mail) -> bool:
        self.send(mail)
        return True

    def to(self, email: str) -> list[Mail]:
        return [mail for mail in self.mails if mail.to == email]

    def code(self, email: str) -> str:
        found = re.search(r"^(\d{6})$", self.to(email)[-1].text, re.MULTILINE)
        assert found, self.to(email)[-1].text
        return found[1]

    def link(self, email: str) -> str:
        found = re.search(r"^spotter://\w+\?code=(\w+)$", self.to(email)[-1].text, re.MULTILINE)
        assert found, self.to(email)[-1].text
        return found[1]


@dataclass(frozen=True)
class Registered:
    """What whoever registered holds, and what was mailed."""

    token: str
    code: str
    link: str = ""


class CountedPasswords(Argon2Passwords):
    """argon2 at a test's price, counting its uses."""

    def __init__(self, cost: Cost) -> None:
        super().__init__(cost)
        self.uses = 0

    async def hash(self, password: str, salt: str | None = None) -> str:
        self.uses += 1
        return await super().hash(password, salt)

    async def hash_like(self, hashed: str | None, salt: str, password: str) -> str:
        self.uses += 1
        return await super().hash_like(hashed, salt, password)

    async def verify(self, hashed: str | None, password: str) -> bool:
        self.uses += 1
        return await super().verify(hashed, password)


@dataclass
class Cuts:
    """The sockets that would have been closed: (user, reason, session)."""

    made: list[tuple[str, str, str | None]] = field(default_factory=list)

    def cut(self, user_id: str, reason: str, session_id: str | None = None) -> None:
        self.made.append((user_id, reason, session_id))


class NullPublisher:
    """Events of a server without sockets."""

    def publish(self, event: Event, *rooms: str) -> None:
        pass

    def hint_slots(self, trainer_id: str, hint: SlotHint) -> None:
        """Nobody watches."""

    def announce_head(self, conversation_id: str, seq: int, *rooms: str) -> None:
        pass


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any
    headers: Any
    text: str

    @property
    def code(self) -> str:
        return str(self.body["code"])


@dataclass
class Surface:
    url: str
    http: aiohttp.ClientSession
    database: Database
    context: Context
    clock: RunningClock
    mail: Mailbox
    passwords: CountedPasswords
    cuts: Cuts
    tokens: AccessTokens

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = None,
        address: str = HERE,
        headers: dict[str, str] | None = None,
        data: bytes | None = None,
    ) -> Answer:
        sent = {"X-Forwarded-For": address, **(headers or {})}
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        content: dict[str, Any] = {"data": data} if data is not None else {}
        if body is not None:
            content = {"json": body}
        async with self.http.request(method, self.url + path, headers=sent, **content) as response:
            text = await response.text()
            is_json = "json" in response.content_type
            parsed = await response.json(content_type=None) if text and is_json else None
            return Answer(response.status, parsed, response.headers.copy(), text)

    async def post(self, path: str, body: Any = None, **how: Any) -> Answer:
        return await self.call("POST", f"/v1{path}", body, **how)

    async def get(self, path: str, **how: Any) -> Answer:
        return await self.call("GET", f"/v1{path}", **how)

    async def register(
        self,
        email: str,
        password: str = PASSWORD,
        *,
        role: str = "client",
        name: str = "Ann",
        address: str = HERE,
        agent: str = "okhttp/4.12",
    ) -> Registered:
        body = {"email": email, "password": password, "role": role, "name": name}
        answer = await self.post("/auth/register", body, address=address, headers={"User-Agent": agent})
        assert (answer.status, answer.body["status"]) == (202, "verification_sent"), answer.text
        return Registered(answer.body["registrationToken"], self.mail.code(email), self.mail.link(email))

    async def verify(self, email: str, registered: Registered, code: str | None = None, **how: Any) -> Answer:
        body = {"email": email, "code": code or registered.code, "registrationToken": registered.token}
        return await self.post("/auth/verify", body, **how)

    async def login(self, email: str, password: str = PASSWORD, **more: Any) -> Answer:
        return await self.post("/auth/login", {"email": email, "password": password, **more})

    async def sign_up(self, email: str = "ann@example.com", **how: Any) -> dict[str, Any]:
        """Registered and verified; the tokens."""
        answer = await self.verify(email, await self.register(email, **how))
        assert answer.status == 200, answer.text
        return cast(dict[str, Any], answer.body)

    async def set_user(self, email: str, **fields: Any) -> None:
        await self.database.collection("users").update_one({"email": email}, {"$set": fields})

    async def user(self, email: str) -> dict[str, Any]:
        found = await self.database.collection("users").find_one({"email": email})
        assert found
        return found

    async def forget(self) -> None:
        """All that was stored, sent, cut and counted, and the time that was let pass."""
        await self.context.store.drain()
        for name in await self.database.db.list_collection_names():
            await self.database.collection(name).delete_many({})
        self.mail.mails.clear()
        self.cuts.made.clear()
        self.passwords.uses = 0
        self.clock.reset()


@asynccontextmanager
async def serve(database: Database, *, rate_limit_scale: float = 1000, cost: Cost = CHEAP) -> AsyncIterator[Surface]:
    limiter = MovingWindowLimiter(rate_limit_scale)
    store, clock, mail, cuts = Store(database), RunningClock(), Mailbox(), Cuts()
    await store.prepare()
    passwords, tokens = CountedPasswords(cost), AccessTokens(SECRET)
    context = Context(
        store=store,
        publisher=NullPublisher(),
        passwords=passwords,
        tokens=tokens,
        secrets=ServerSecrets(SECRET),
        mailer=mail,
        pusher=cast(Any, None),
        webhooks=cast(Any, None),
        sockets=cuts,
        typing=cast(Any, None),
        presence=cast(Any, None),
        slot_watches=cast(Any, None),
        files=SignedUrls(ServerSecrets(SECRET), clock),
        pictures=cast(Any, None),
        payments=cast(Any, None),
        return_url="",
        clock=clock,
        limits=lambda: published(ROWS, limiter, SocketLimits()),
    )
    services = Services(
        context=context,
        authenticator=Authenticator(store.users, store.sessions, tokens, clock),
        limiter=limiter,
        client_address=lambda remote, forwarded: client_address(remote, forwarded, TRUSTED_PROXIES),
        mongo_unanswered_seconds=lambda: 0.0,
    )
    app = web.Application()
    attach(app, services, allowed_origins=[ORIGIN], secure=True)
    async with _listening(app) as url, aiohttp.ClientSession() as http:
        yield Surface(url, http, database, context, clock, mail, passwords, cuts, tokens)
    await store.drain()
    await asyncio.to_thread(passwords.close)


@asynccontextmanager
async def _listening(app: web.Application) -> AsyncIterator[str]:
    runner = web.AppRunner(app, access_log=None, auto_decompress=False)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    try:
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()
