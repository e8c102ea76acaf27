"""How a row turns path, query, body and header into its command."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, cast

import aiohttp
import pytest
from aiohttp import web

from domain.errors import Code, DomainError
from domain.wire import fields
from domain.wire.base import Answer, Command
from handlers.access import Actor, Visitor
from handlers.context import Context
from rest.build import attach
from rest.route import Route, Services


class Rename(Command, frozen=True, kw_only=True):
    thing_id: fields.Id
    label: str
    idempotency_key: fields.IdempotencyKey


class Search(Command, frozen=True, kw_only=True):
    status: tuple[str, ...] = ()
    free: bool | None = None
    near: float | None = None


class Echo(Answer, frozen=True, kw_only=True):
    said: str


async def echo(context: Context, actor: Actor | Visitor, command: object) -> Echo:
    return Echo(said=repr(command))


async def fail(context: Context, actor: Visitor, command: None) -> None:
    raise RuntimeError("a password and other private things")


async def wait(context: Context, actor: Visitor, command: None) -> None:
    raise DomainError(Code.UNAVAILABLE, "Not now.", retry_after_ms=1001)


ROWS = (
    Route(
        "PUT", "/things/{id}", echo, "Rename", command=Rename, answer=Echo, path_names={"id": "thingId"}, public=True
    ),
    Route("GET", "/things", echo, "Search", command=Search, answer=Echo, public=True),
    Route("GET", "/failing", fail, "Fail", public=True),
    Route("GET", "/waiting", wait, "Wait", public=True),
)
ID = "0123456789abcdef01234567"
PATH = f"/v1/things/{ID}"
KEY = {"Idempotency-Key": "k1"}


class Unlimited:
    async def wait_for(self, name: str, key: str, amount: int, seconds: int) -> float:
        return 0.0

    async def look(self, name: str, key: str, amount: int, seconds: int) -> float:
        return 0.0

    async def left(self, name: str, key: str, amount: int, seconds: int) -> tuple[int, float]:
        return amount, 0.0

    async def give_back(self, name: str, key: str, amount: int, seconds: int) -> None:
        pass

    def scaled(self, amount: int) -> int:
        return amount


class Nobody:
    def claims(self, token: str) -> object:
        raise AssertionError("these rows are public")

    async def actor(self, claims: object, address: str) -> Actor:
        raise AssertionError("these rows are public")


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    app = web.Application()
    services = Services(cast(Any, None), Nobody(), Unlimited(), lambda remote, forwarded: remote or "", lambda: 0.0)
    attach(app, services, allowed_origins=[], secure=False, rows=ROWS)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    async with aiohttp.ClientSession(f"http://{host}:{port}") as session:
        yield session
    await runner.cleanup()


async def test_path_body_and_header_make_one_command(http: aiohttp.ClientSession) -> None:
    async with http.put(PATH, json={"label": "new"}, headers=KEY) as response:
        assert (await response.json())["said"] == repr(Rename(thing_id=ID, label="new", idempotency_key="k1"))


@pytest.mark.parametrize(
    ("body", "headers", "field"),
    [
        ({"label": "new", "thingId": ID}, KEY, "thingId"),
        ({"label": "new", "id": ID}, KEY, "id"),
        ({"label": "new", "idempotencyKey": "k1"}, KEY, "idempotencyKey"),
        ({"label": "new"}, {}, "Idempotency-Key"),
        ({"label": 1}, KEY, "label"),
        ({}, KEY, "label"),
    ],
)
async def test_nothing_is_said_twice_or_left_out(
    http: aiohttp.ClientSession, body: dict[str, Any], headers: dict[str, str], field: str
) -> None:
    async with http.put(PATH, json=body, headers=headers) as response:
        assert response.status == 422
        assert [error["field"] for error in (await response.json(content_type=None))["errors"]] == [field]


async def test_a_query_is_typed_by_the_commands_fields(http: aiohttp.ClientSession) -> None:
    async with http.get("/v1/things?status=a&status=b&free=true&near=1.5") as response:
        assert (await response.json())["said"] == repr(Search(status=("a", "b"), free=True, near=1.5))
    async with http.get("/v1/things?status=5") as response:
        assert (await response.json())["said"] == repr(Search(status=("5",)))


async def test_a_crash_says_nothing_of_itself(http: aiohttp.ClientSession, capsys: pytest.CaptureFixture[str]) -> None:
    async with http.get("/v1/failing", headers={"X-Request-Id": "abc-0001"}) as response:
        body = await response.json(content_type=None)
    assert (response.status, body["code"], body["requestId"]) == (500, "internal", "abc-0001")
    assert "private" not in str(body)
    assert "abc-0001" in capsys.readouterr().out


async def test_the_time_to_wait_is_rounded_up(http: aiohttp.ClientSession) -> None:
    async with http.get("/v1/waiting") as response:
        assert (response.status, response.headers["Retry-After"]) == (503, "2")
        assert (await response.json(content_type=None))["retryAfterMs"] == 1001
