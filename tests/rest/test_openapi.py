"""The OpenAPI document says what the rows do."""

from __future__ import annotations

import json
from typing import Any

import jsonschema_rs
import pytest

from rest.openapi import document
from rest.routes import ROWS
from tests.rest.surface import Surface

DOCUMENT: dict[str, Any] = json.loads(document(ROWS))


def operations() -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (method.upper(), path): operation
        for path, item in DOCUMENT["paths"].items()
        for method, operation in item.items()
    }


async def test_it_is_served(surface: Surface) -> None:
    answer = await surface.call("GET", "/openapi.json")
    assert (answer.status, answer.body) == (200, DOCUMENT)


def test_every_row_is_there_once() -> None:
    assert sorted(operations()) == sorted((row.method, row.full_path) for row in ROWS)
    assert all(path.startswith("/v1/") for path in DOCUMENT["paths"])
    names = [operation["operationId"] for operation in operations().values()]
    assert len(names) == len(set(names))


def test_every_schema_is_a_good_one_and_every_reference_leads_somewhere() -> None:
    components = DOCUMENT["components"]["schemas"]
    for schema in components.values():
        jsonschema_rs.meta.validate({**schema, "$schema": "https://json-schema.org/draft/2020-12/schema"})
    for reference in references(DOCUMENT):
        place: Any = DOCUMENT
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]


def references(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        return own + [found for value in node.values() for found in references(value)]
    return [found for value in node for found in references(value)] if isinstance(node, list) else []


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.method} {row.path}")
def test_an_operation_says_what_it_takes_and_answers(row: Any) -> None:
    operation = operations()[(row.method, row.full_path)]
    # Whoever may send a token need not: an empty requirement is among the choices.
    assert ({} not in operation.get("security", [{}])) is not row.public
    assert ("security" in operation) is (row.optional_auth or not row.public)
    assert ("requestBody" in operation) is (row.consumes is not None or (row.has_body and row.command is not None))
    assert str(row.success) in operation["responses"]
    assert "429" in operation["responses"]
    named = {p["name"] for p in operation["parameters"] if p["in"] == "path"}
    assert all("{" + name + "}" in row.full_path for name in named)
    assert row.full_path.count("{") == len(named)


def test_patterns_are_in_the_dialect_of_json_schema() -> None:
    assert r"\Z" not in json.dumps(DOCUMENT).replace("\\\\", "\\")
    email = DOCUMENT["components"]["schemas"]["Login"]["properties"]["email"]
    validator = jsonschema_rs.Draft202012Validator(email)
    assert validator.is_valid("ann@example.com")
    assert not validator.is_valid("ann")


def test_it_is_openapi() -> None:
    definitions = pytest.importorskip("schemathesis.specs.openapi.definitions")
    definitions.OPENAPI_31_VALIDATOR.validate(DOCUMENT)
