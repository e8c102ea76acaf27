"""Every name of the wire contract is in the documents, and the running server knows it.

``not_built.txt`` has what is not built yet; it only shrinks. What answers hold is compared with the documents by the
authorisation tests, which see all of them (``answers.py``).
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from rest.routes import ROWS
from server.asyncapi import answer_of
from server.sockets.namespaces import NAMESPACES
from tests.documents.contract import CONTRACT, missing
from tests.documents.loaded import OPENAPI, resolved
from tests.harness.nodes import RunningNode
from tests.harness.people import Person
from tests.server.sockets.raw import Raw, admitted

NOT_BUILT = set((Path(__file__).parent / "not_built.txt").read_text(encoding="utf-8").splitlines())
# What is served beside the API, and described by neither document.
PAGES = {f"GET {path}" for path in CONTRACT["pages"]}
ID = "f" * 24
UNKNOWN = "noSuchField"


def test_every_name_of_the_contract_is_in_the_documents_but_what_is_not_built() -> None:
    found = missing()
    assert found - NOT_BUILT == set(), "missing in the documents"
    assert NOT_BUILT - found - PAGES == set(), "built by now: take these lines out of not_built.txt"


ROUTES = [route for route in CONTRACT["routes"] if route not in NOT_BUILT]
FIELDS = [
    (route, field)
    for route in ROUTES
    for field in CONTRACT["routes"][route]["request"]
    if "." not in field and f"{route} <- {field}" not in NOT_BUILT and route != "POST /v1/files"
]
COMMANDS = [
    (namespace, event)
    for namespace, commands in CONTRACT["commands"].items()
    for event in commands
    if f"{namespace} {event}" not in NOT_BUILT
]


@pytest.fixture(scope="module")
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture(scope="module")
async def raw(served: RunningNode, person: Person) -> AsyncIterator[Raw]:
    async with admitted(served.url, person.token, *NAMESPACES) as socket:
        yield socket


async def ask(
    http: aiohttp.ClientSession, served: RunningNode, route: str, said: dict[str, Any] | None = None, token: str = ""
) -> dict[str, Any]:
    """The problem, or nothing where there is none."""
    method, path = route.split()
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    if said is not None and ("Idempotency-Key" in _headers_of(route)):
        headers["Idempotency-Key"] = "a key"
    content: dict[str, Any] = {}
    if said is not None:
        content = {"params": dict.fromkeys(said, "?")} if method in ("GET", "DELETE") else {"json": said}
    url = served.url + re.sub(r"\{\w+\}", ID, path)
    async with http.request(method, url, headers=headers, **content) as answer:
        return await answer.json() if answer.content_type == "application/problem+json" else {}


def _headers_of(route: str) -> set[str]:
    method, path = route.split()
    parameters = OPENAPI["paths"][path][method.lower()].get("parameters", ())
    return {one["name"] for one in parameters if one["in"] == "header" and one["required"]}


@pytest.mark.parametrize("route", list(CONTRACT["routes"]))
async def test_a_route_is_served_when_it_is_described(
    served: RunningNode, http: aiohttp.ClientSession, route: str
) -> None:
    problem = await ask(http, served, route)
    nowhere = problem.get("code") == "method_not_allowed" or problem.get("detail") == "There is nothing at this path."
    assert nowhere is (route in NOT_BUILT), problem


@pytest.mark.parametrize("path", CONTRACT["pages"])
async def test_a_page_is_served(served: RunningNode, http: aiohttp.ClientSession, path: str) -> None:
    async with http.get(served.url + path) as answer:
        assert (answer.status == 200) is (f"GET {path}" not in NOT_BUILT)


@pytest.mark.parametrize(("route", "field"), FIELDS, ids=[f"{route} {field}" for route, field in FIELDS])
async def test_a_field_of_a_request_is_known(
    served: RunningNode, http: aiohttp.ClientSession, person: Person, route: str, field: str
) -> None:
    token = person.token
    unknown = _said_of(UNKNOWN, await ask(http, served, route, {UNKNOWN: None}, token))
    assert unknown is not None, "an unknown field is taken"
    assert _said_of(field, await ask(http, served, route, {field: 0.5}, token)) != unknown


def _said_of(field: str, problem: dict[str, Any]) -> str | None:
    return next((error["message"] for error in problem.get("errors", ()) if error["field"] == field), None)


@pytest.mark.parametrize(("namespace", "event"), COMMANDS, ids=[" ".join(command) for command in COMMANDS])
async def test_a_command_is_served_and_knows_its_fields(raw: Raw, namespace: str, event: str) -> None:
    error = (await raw.ask(event, json.dumps({UNKNOWN: None}), namespace))["error"]
    assert error["code"] == "validation_failed"
    unknown = _said_of(UNKNOWN, error)
    assert unknown is not None
    for field in CONTRACT["commands"][namespace][event]["request"]:
        if f"{namespace} {event} <- {field}" not in NOT_BUILT:
            error = (await raw.ask(event, json.dumps({field: 0.5}), namespace))["error"]
            assert _said_of(field, error) not in (None, unknown), field


async def test_another_command_is_not(raw: Raw) -> None:
    for namespace in NAMESPACES:
        assert (await raw.ask("no:such", "{}", namespace))["error"]["code"] == "unknown_event"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.method} {row.path}")
def test_a_row_names_what_its_handler_answers(row: Any) -> None:
    if row.produces is None:
        assert answer_of(row.handler) == row.answer


async def test_keys_are_required_where_the_contract_says_so() -> None:
    for route in CONTRACT["keys"]:
        if route not in NOT_BUILT:
            assert "Idempotency-Key" in _headers_of(route)


def test_roles_and_statuses_are_those_of_the_contract() -> None:
    booking = resolved(OPENAPI, "#/components/schemas/BookingAnswer")["properties"]
    assert set(booking["status"]["enum"]) == {"held", "confirmed", "cancelled", "completed", "no_show", "expired"}
