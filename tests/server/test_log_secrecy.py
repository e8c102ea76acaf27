"""A whole life of an account and a conversation, good and bad: none of what was said or kept secret is in the logs."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.faults.served import PRODUCTION, Served, serving
from tests.files import samples
from tests.harness.devices import Device, Refused, device
from tests.harness.loud_server import LOUD_CLIENTS, loud
from tests.harness.mail_server import Desk, plain_of, served
from tests.harness.people import Person
from tests.notifications.services import PushService
from tests.notifications.services import serving as push_service
from tests.notifications.services import settings as pushes
from tests.server.sockets.raw import admitted, raw_socket
from tests.together.processes import prepared

CodeOf = Callable[[str], Awaitable[str]]
DEVICE, FILE, KEY = "a telephone called Aurelia", "holiday in Ystad", "key-of-an-upload-81c6"
CHANGED = "changed horse battery"
WORDS = "the words of a message that nobody else may read"
EDITED = "the words it was changed into"
SEARCHED = "nobody else"
PASSWORD, WRONG, WEAK = "correct horse battery", "wrong horse battery", "password1234"
CARD, REASON = "4242424242424242", "a reason that administrators alone may read"
ZONE, REFUSED = "Antarctica/Troll", "words of a push service about a phone"


class Visit:
    """Signs up, signs in, talks, and remembers every secret that came by."""

    def __init__(self, url: str, http: aiohttp.ClientSession) -> None:
        self.url = url
        self.http = http
        self.registrations: dict[str, str] = {}
        self.secrets = {WORDS, EDITED, SEARCHED, PASSWORD, WRONG, WEAK, CARD, REASON, CHANGED, DEVICE}

    async def post(self, path: str, body: dict[str, Any], token: str = "") -> tuple[int, dict[str, Any]]:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with self.http.post(f"{self.url}/v1/{path}", json=body, headers=headers) as response:
            text = await response.text()
            return response.status, json.loads(text) if text else {}

    async def register(self, email: str, role: str) -> None:
        body = {"email": email, "password": PASSWORD, "role": role, "name": "Somebody"}
        status, accepted = await self.post("auth/register", body)
        assert status == 202
        self.registrations[email] = accepted["registrationToken"]

    async def verify(self, email: str, code: str) -> dict[str, Any]:
        wrong = f"{(int(code) + 1) % 1_000_000:06}"
        proof = {"email": email, "registrationToken": self.registrations[email]}
        assert (await self.post("auth/verify", {**proof, "code": wrong}))[0] == 422
        status, tokens = await self.post("auth/verify", {**proof, "code": code})
        assert status == 200, tokens
        self.keep(tokens, code, wrong, self.registrations[email])
        return tokens

    def keep(self, tokens: dict[str, Any], *more: str) -> None:
        self.secrets |= {tokens["accessToken"], tokens["refreshToken"], *more}

    async def sign_in(self, email: str) -> dict[str, Any]:
        assert (await self.post("auth/login", {"email": email, "password": WRONG}))[0] == 401
        _, tokens = await self.post("auth/login", {"email": email, "password": PASSWORD})
        self.keep(tokens)
        _, renewed = await self.post("auth/refresh", {"refreshToken": tokens["refreshToken"]})
        self.keep(renewed)
        await self.post("auth/refresh", {"refreshToken": tokens["refreshToken"] + "x"})
        return renewed

    async def call(self, method: str, path: str, token: str, body: Any = None) -> tuple[int, dict[str, Any]]:
        headers = {"Authorization": f"Bearer {token}"}
        async with self.http.request(method, f"{self.url}/v1/{path}", json=body, headers=headers) as response:
            text = await response.text()
            return response.status, json.loads(text) if text else {}

    async def fall_out(self, one: dict[str, Any], two: dict[str, Any]) -> None:
        """Reports and blocks, good and bad; what is not for the one; passwords that are refused."""
        token, other = one["accessToken"], two["user"]["id"]
        assert (await self.post("reports", {"userId": other, "reason": f"{REASON} {CARD}"}, token))[0] == 201
        assert (await self.post("reports", {"userId": REASON, "reason": CARD, REASON: CARD}, token))[0] == 422
        for method in ("PUT", "DELETE"):
            assert (await self.call(method, f"me/blocks/{other}", token))[0] == 204
            assert (await self.call(method, f"me/blocks/{CARD}", token))[0] == 422
        assert (await self.post(f"admin/reports/{other}/resolve", {"resolution": REASON}, token))[0] == 403
        admin = {"email": f"{CARD}@example.com", "name": REASON, "password": WEAK}
        assert (await self.post("admin/admins", admin, token))[0] in (403, 422)
        change = {"currentPassword": PASSWORD, "newPassword": WEAK}
        assert (await self.post("auth/change-password", change, token))[0] == 422

    async def leave(self, tokens: dict[str, Any], password: str = PASSWORD) -> None:
        """With an archive of everything, and erased."""
        token = tokens["accessToken"]
        assert (await self.post("me/export", {}, token))[0] == 202
        async with asyncio.timeout(30):
            while True:
                _, found = await self.call("GET", "me/export", token)
                if found["status"] == "ready":
                    break
                await asyncio.sleep(0.05)
        self.secrets.add(found["url"].rpartition("=")[2])
        for url, status in ((found["url"], 200), (found["url"] + "x", 404)):
            async with self.http.get(self.url + url) as response:
                assert response.status == status
        assert (await self.post("me/erase", {"password": WRONG}, token))[0] == 401
        assert (await self.post("me/erase", {"password": password}, token))[0] == 204

    async def notified(self, tokens: dict[str, Any], apns: PushService, fcm: PushService, conversation: str) -> None:
        """By pushes to both of one's phones, which the services refuse at first, of what the other says."""
        _, sender = await self.post("auth/login", {"email": "ann@example.com", "password": PASSWORD})
        self.keep(sender)
        token = tokens["accessToken"]
        phones = {"ios": secrets.token_hex(32), "android": f"fcm:{secrets.token_urlsafe(90)}"}
        self.secrets |= {*phones.values(), ZONE, REFUSED}
        for platform, phone in phones.items():
            device = f"me/devices/{KEY}-{platform}"
            assert (await self.call("PUT", device, token, {"platform": phone, "token": phone}))[0] == 422
            assert (await self.call("PUT", device, token, {"platform": platform, "token": phone}))[0] == 204
        self.secrets.add(KEY)
        quiet = {"startTime": "22:00", "endTime": "22:00", "timeZone": ZONE}
        assert (await self.call("PUT", "me/notifications", token, {"quietHours": quiet}))[0] == 422
        assert (await self.call("PUT", "me/notifications", token, {"kinds": [{"kind": REASON}]}))[0] == 422
        assert (await self.call("POST", f"unsubscribe/{phones['ios']}", token))[0] >= 400
        apns.replies, fcm.replies = [(503, {"reason": REFUSED})], [(503, {"error": {"message": REFUSED}})]
        talk = f"conversations/{conversation}/messages"
        said = {"clientMessageId": "pushed", "text": WORDS}
        assert (await self.post(talk, said, sender["accessToken"]))[0] == 201
        async with asyncio.timeout(60):
            for service in (apns, fcm):
                received = await service.received.get()
                assert (received.to in phones.values(), received.said) == (True, WORDS)
                self.secrets.add(received.headers["authorization"].split()[1])
        assert (await self.call("DELETE", f"me/devices/{KEY}-ios", token))[0] == 204

    async def subscribe(self, tokens: dict[str, Any]) -> None:
        """A calendar program reads the feed, and another one guesses at it."""
        _, made = await self.post("me/calendar", {}, tokens["accessToken"])
        secret = made["url"].removeprefix("/v1/calendar/").removesuffix(".ics")
        self.secrets.add(secret)
        for url, status in ((made["url"], 200), (made["url"].replace(".ics", "x.ics"), 404)):
            async with self.http.get(self.url + url) as response:
                assert response.status == status

    async def upload(self, tokens: dict[str, Any]) -> None:
        """A picture by its signed URL, and by one that somebody altered."""
        form = aiohttp.FormData()
        form.add_field("file", samples.image(), filename=f"{FILE}.jpg", content_type="image/jpeg")
        headers = {"Authorization": f"Bearer {tokens['accessToken']}", "Idempotency-Key": KEY}
        async with self.http.post(f"{self.url}/v1/files", data=form, headers=headers) as response:
            made = await response.json()
        assert response.status == 201, made
        signature = made["url"].partition("signature=")[2]
        assert signature
        self.secrets |= {signature, FILE, KEY}
        for url in (made["url"], made["url"][:-1] + ("A" if made["url"][-1] != "A" else "B")):
            async with self.http.get(self.url + url) as response:
                await response.read()

    async def forget(self, email: str, code_of: CodeOf, link_of: CodeOf) -> dict[str, Any]:
        """Reset the password by code, then by link, and change it; answers new tokens."""
        for find in (code_of, link_of):
            assert (await self.post("auth/forgot-password", {"email": email}))[0] == 202
            code = await find(email)
            assert (await self.post("auth/verify-reset-code", {"email": email, "code": code[:-1] + "x"}))[0] == 422
            status, proof = await self.post("auth/verify-reset-code", {"email": email, "code": code})
            assert status == 200, proof
            self.secrets |= {code, proof["resetToken"], proof["resetToken"].partition(".")[2]}
            reset = {"resetToken": proof["resetToken"], "password": PASSWORD}
            assert (await self.post("auth/reset-password", {**reset, "password": "short"}))[0] == 422
            assert (await self.post("auth/reset-password", reset))[0] == 204
        _, tokens = await self.post("auth/login", {"email": email, "password": PASSWORD, "device": DEVICE})
        self.keep(tokens)
        change = {"currentPassword": WRONG, "newPassword": CHANGED}
        assert (await self.post("auth/change-password", change, tokens["accessToken"]))[0] == 401
        change["currentPassword"] = PASSWORD
        status, tokens = await self.post("auth/change-password", change, tokens["accessToken"])
        assert status == 200, tokens
        self.keep(tokens)
        return tokens


async def talk(url: str, one: dict[str, Any], two: dict[str, Any]) -> str:
    """Answers the conversation."""
    first, second = person(one), person(two)
    async with device(url, first) as phone, device(url, second, transports=["polling"]) as other:
        conversation = (await phone.do("conversation:open", {"userId": second.id}))["conversation"]["id"]
        message = await phone.send(conversation, "m1", WORDS)
        await phone.send(conversation, "m0", f"my card is {CARD}")
        await other.receive("message:new")
        await phone.do("message:edit", {"messageId": message["id"], "text": EDITED})
        await phone.do("message:search", {"query": SEARCHED})
        await other.do("message:list", {"conversationId": conversation})
        await misbehave(phone, conversation, message["id"])
    async with admitted(url, first.token) as raw:
        await raw.ask("message:send", f'{{"text": "{WORDS}", "conversationId": NaN}}')
        await raw.send(f'2{{"{WORDS}": 1}}')
        await raw.closed()
    async with raw_socket(url) as raw:
        await raw.connect(first.token[:-2])
        await raw.send(f"4{WORDS}")
        await raw.closed()
    return str(conversation)


async def misbehave(phone: Device, conversation: str, message: str) -> None:
    for command in (
        {"conversationId": conversation, "clientMessageId": "m1", "text": EDITED},
        {"conversationId": conversation, "clientMessageId": "m2", "text": WORDS, WORDS: WORDS},
        {"conversationId": WORDS, "clientMessageId": "m3", "text": WORDS},
        {"conversationId": conversation, "clientMessageId": "m4", "text": WORDS, "replyTo": "f" * 24},
    ):
        with pytest.raises(Refused):
            await phone.do("message:send", command)
    await phone.ask(WORDS, {"text": WORDS})
    await phone.ask("message:search", {"query": "\x00" + SEARCHED})
    await phone.ask("auth:refresh", {"token": message})


def person(tokens: dict[str, Any]) -> Person:
    user = tokens["user"]
    session_id = tokens["refreshToken"].partition(".")[0]
    return Person(user["id"], user["role"], user["email"], tokens["accessToken"], session_id)


@asynccontextmanager
async def visit(server: Served) -> AsyncIterator[Visit]:
    async with aiohttp.ClientSession() as http:
        yield Visit(server.url, http)
        code, _ = await server.terminate()
        assert code == 0


def assert_secret(log: str, secrets: set[str]) -> None:
    assert log
    found = {secret for secret in secrets if is_told(secret, log)}
    assert not found, log


def is_told(secret: str, log: str) -> bool:
    """Not six digits of a fraction or of an id: the microseconds of a time may be the same as a code."""
    if re.fullmatch(r"\d{6}", secret):
        log = re.sub(r"\d\.\d+|\b[0-9a-f]{24}\b", " ", log)
    return secret in log


def test_a_code_is_found_but_in_a_fraction_or_an_id() -> None:
    for log in ("code 374086", '{"code": "374086"}', r"code:\r\n374086\r\n", "code%3D374086", "?code=374086&"):
        assert is_told("374086", log), log
    for log in ('"timestamp": "2026-11-29T06:37:31.374086Z"', "6b0bc374086e21e13ccdb74a", "took 0.374086 s"):
        assert not is_told("374086", log), log


async def test_in_development(tmp_path: Path, database_url: str, redis_url: str) -> None:
    """Mail is printed there, codes and all: on standard output, which is not the log. Pushes go to stand-ins, and the
    clients of those say what they have to say."""
    async with AsyncExitStack() as stack:
        apns, fcm = [await stack.enter_async_context(push_service(PushService())) for _ in range(2)]
        settings = {"MONGO_URL": database_url, "REDIS_URL": redis_url, "PUSH_AFTER_SECONDS": "1", **pushes(apns, fcm)}
        server = await stack.enter_async_context(loud(tmp_path, LOUD_CLIENTS, **settings))
        guest = await stack.enter_async_context(visit(server))
        guest.secrets |= {settings["APNS_KEY"].splitlines()[1], fcm.account()["private_key"].splitlines()[1]}
        await prepared(server.url)
        tokens = []
        for email, role in (("ann@example.com", "client"), ("tom@example.com", "trainer")):
            await guest.register(email, role)
            mail = await server.prints(re.compile(rf"Mail to {email}: .*?^(\d{{6}})$", re.MULTILINE | re.DOTALL))
            await guest.verify(email, mail[1])
            tokens.append(await guest.sign_in(email))
        await guest.subscribe(tokens[0])
        conversation = await talk(server.url, *tokens)
        await guest.notified(tokens[1], apns, fcm, conversation)
    # As loud as it should be: the clients told of their requests.
    assert all(name in server.logged for name in ("httpcore.http2", "APNs refuses a push"))
    assert_secret(server.logged, guest.secrets)


CODE, LINK = r"^(\d{6})\r?$", r"\b([0-9a-f]{48})\b"


async def mailed(desk: Desk, pattern: str) -> str:
    """By the next mail that has it: sign-ins, for one, are told by mail as well."""
    while True:
        _, mail = await asyncio.wait_for(desk.taken.get(), 20)
        found = re.search(pattern, plain_of(mail), re.MULTILINE)
        if found:
            return found[1]


async def test_in_production(tmp_path: Path, database_url: str, redis_url: str) -> None:
    desk = Desk()
    async with served(desk) as port:
        settings = {"MONGO_URL": database_url, "REDIS_URL": redis_url, "SMTP_URL": f"smtp://127.0.0.1:{port}"}
        settings = {**PRODUCTION, **settings, "HOST": "127.0.0.1"}
        async with serving(tmp_path, **settings) as server, visit(server) as guest:
            await prepared(server.url)
            tokens = []
            for email, role in (("ann@example.com", "client"), ("tom@example.com", "trainer")):
                await guest.register(email, role)
                await guest.verify(email, await mailed(desk, CODE))
                tokens.append(await guest.sign_in(email))
            await guest.subscribe(tokens[0])
            await talk(server.url, *tokens)
            await guest.fall_out(*tokens)
            await guest.leave(tokens[0])
    assert_secret(server.logged, guest.secrets)
    # The printed lines too, since production prints no mail.
    assert_secret(server.printed, guest.secrets)
    for line in server.logged.splitlines():
        assert {"event", "level", "logger", "timestamp"} <= json.loads(line).keys()


async def test_at_every_level(tmp_path: Path, database_url: str, redis_url: str) -> None:
    """In production, with everything that every library has to say."""
    desk = Desk()

    async def code_of(email: str) -> str:
        return await mailed(desk, CODE)

    async def link_of(email: str) -> str:
        return await mailed(desk, LINK)

    async with served(desk) as port:
        settings = {"MONGO_URL": database_url, "REDIS_URL": redis_url, "SMTP_URL": f"smtp://127.0.0.1:{port}"}
        async with loud(tmp_path, **{**PRODUCTION, **settings, "HOST": "127.0.0.1"}) as server, visit(server) as guest:
            await prepared(server.url)
            tokens = []
            for email, role in (("ann@example.com", "client"), ("tom@example.com", "trainer")):
                await guest.register(email, role)
                await guest.verify(email, await code_of(email))
                tokens.append(await guest.sign_in(email))
                guest.secrets.add(email)
            await guest.subscribe(tokens[0])
            await guest.upload(tokens[0])
            await talk(server.url, *tokens)
            await guest.fall_out(*tokens)
            changed = await guest.forget("ann@example.com", code_of, link_of)
            async with device(server.url, person(changed)) as phone:
                await phone.do("auth:refresh", {"token": changed["accessToken"]})
            await guest.leave(changed, CHANGED)
    # As loud as it should be: the driver told of its commands.
    assert '"logger": "pymongo.command"' in server.logged
    assert_secret(server.logged + server.printed, guest.secrets)
    assert "argon2id$" not in server.logged
