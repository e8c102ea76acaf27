"""The OpenAPI document says what the rows do."""

from __future__ import annotations

import json
import re
from typing import Any

import jsonschema_rs
import pytest

from rest.routes import ROWS
from tests.documents.loaded import OPENAPI, descriptions, names_on_the_wire, references, resolved

SCHEMAS = OPENAPI["components"]["schemas"]


def operations() -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (method.upper(), path): operation
        for path, item in OPENAPI["paths"].items()
        for method, operation in item.items()
    }


def test_it_is_openapi() -> None:
    # Here, as it takes a second to load and every process of the tests would.
    from openapi_spec_validator import OpenAPIV31SpecValidator

    assert list(OpenAPIV31SpecValidator(OPENAPI).iter_errors()) == []


def test_every_row_is_there_once() -> None:
    assert sorted(operations()) == sorted((row.method, row.full_path) for row in ROWS)
    assert all(path.startswith("/v1/") for path in OPENAPI["paths"])
    names = [operation["operationId"] for operation in operations().values()]
    assert len(names) == len(set(names))


def test_every_schema_is_a_good_one_and_every_reference_leads_somewhere() -> None:
    for schema in SCHEMAS.values():
        jsonschema_rs.meta.validate({**schema, "$schema": "https://json-schema.org/draft/2020-12/schema"})
    for reference in references(OPENAPI):
        resolved(OPENAPI, reference)


def test_every_component_is_referred_to() -> None:
    used = set(references(OPENAPI))
    for kind in ("schemas", "responses", "headers", "examples"):
        unused = [name for name in OPENAPI["components"][kind] if f"#/components/{kind}/{name}" not in used]
        assert unused == [], kind


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.method} {row.path}")
def test_an_operation_says_what_it_takes_and_answers(row: Any) -> None:
    operation = operations()[(row.method, row.full_path)]
    security = operation.get("security", OPENAPI["security"])
    if not row.public:
        assert security == [{"bearer": []}]
    else:
        # Whoever may send a token need not: an empty requirement is among the choices.
        assert security == ([{}, {"bearer": []}] if row.optional_auth else [])
    assert ("requestBody" in operation) is (row.consumes is not None or (row.has_body and row.command is not None))
    assert str(row.success) in operation["responses"]
    assert "429" in operation["responses"]
    assert ("401" in operation["responses"]) or row.public
    named = {p["name"] for p in operation.get("parameters", ()) if p["in"] == "path"}
    assert all("{" + name + "}" in row.full_path for name in named)
    assert row.full_path.count("{") == len(named)
    assert operation["x-rate-limits"]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.method} {row.path}")
def test_bodies_and_answers_are_components(row: Any) -> None:
    operation = operations()[(row.method, row.full_path)]
    contents = [response.get("content", {}) for response in operation["responses"].values()]
    if "requestBody" in operation:
        contents.append(operation["requestBody"]["content"])
    for content in contents:
        for kind, said in content.items():
            if "json" in kind or kind.startswith("multipart"):
                assert list(said["schema"]) == ["$ref"]


def test_conditions_and_ranges_are_described_where_they_are_heeded() -> None:
    """What documents and files are answered with beside a body (RFC 9110, 13 and 14)."""
    for (method, path), operation in operations().items():
        taken = {p["name"] for p in operation.get("parameters", ()) if p["in"] == "header"} - {"Idempotency-Key"}
        told = operation["responses"]["200" if "200" in operation["responses"] else min(operation["responses"])]
        said = set(told["headers"]) - {"RateLimit", "RateLimit-Policy"}
        if (method, path) == ("GET", "/v1/files/{id}"):
            assert taken == {"If-Match", "If-None-Match", "Range", "If-Range"}
            assert said == {"ETag", "Accept-Ranges", "Content-Disposition"}
            assert set(operation["responses"]["206"]["headers"]) >= {"ETag", "Content-Range"}
            assert set(operation["responses"]["416"]["headers"]) == {"Content-Range"}
        elif (method, path) == ("GET", "/v1/calendar/{token}.ics"):
            assert (taken, said) == ({"If-Match", "If-None-Match"}, {"ETag"})
        else:
            assert (taken, said) == (set(), set()), path


def test_payments_and_conflicts_come_where_they_can() -> None:
    for (method, path), status in {
        ("POST", "/v1/bookings"): "402",
        ("POST", "/v1/bookings/{id}/cancel"): "409",
        ("POST", "/v1/bookings/{id}/review"): "409",
        ("POST", "/v1/files"): "413",
    }.items():
        assert status in operations()[method, path]["responses"]
    assert "409" not in operations()["GET", "/v1/me"]["responses"]


def test_what_is_answered_is_required_unless_it_can_be_missing() -> None:
    assert SCHEMAS["Problem"]["required"] == ["type", "title", "status", "code", "detail", "requestId"]
    assert "limits" not in SCHEMAS and "items" in SCHEMAS["TrainerPage"]["required"]
    assert "default" not in {word for schema in SCHEMAS.values() for word in _words(schema)}
    limit = next(p for p in operations()["GET", "/v1/trainers"]["parameters"] if p["name"] == "limit")
    assert (limit["required"], limit["schema"]["default"]) == (False, 20)


def _words(node: Any) -> set[str]:
    """The words of a schema, but not the names of fields."""
    if not isinstance(node, dict):
        return set()
    found = set(node)
    for word, value in node.items():
        if word == "properties":
            found |= {inner for field in value.values() for inner in _words(field)}
        elif isinstance(value, dict):
            found |= _words(value)
        elif isinstance(value, list):
            found |= {inner for one in value for inner in _words(one)}
    return found


def test_enumerations_have_a_type_and_numbers_a_format() -> None:
    def look(node: Any) -> None:
        if isinstance(node, list):
            for one in node:
                look(one)
        if not isinstance(node, dict):
            return
        if isinstance(node.get("enum"), list):
            assert node["type"] == "string"
        if node.get("type") in ("integer", "number"):
            assert node["format"] in ("int32", "int64", "double")
        for word, value in node.items():
            if word not in ("example", "examples", "x-rate-limits"):
                look(value)

    look(OPENAPI)


def test_instants_dates_and_addresses_have_a_format() -> None:
    def format_of(name: str, field: str) -> Any:
        return SCHEMAS[name]["properties"][field].get("format")

    assert format_of("BookingAnswer", "startsAt") == "date-time"
    assert format_of("BookingAnswer", "date") == "date"
    assert format_of("RegisterBody", "email") == "email"
    assert format_of("SignedInUser", "email") == "email"
    assert format_of("LoginBody", "password") == "password"
    assert SCHEMAS["Upload"]["properties"]["file"]["format"] == "binary"


def test_examples_are_there_and_fit() -> None:
    count = 0
    for operation in operations().values():
        contents = [operation["requestBody"]["content"]] if "requestBody" in operation else []
        contents += [response.get("content", {}) for response in operation["responses"].values()]
        for content in contents:
            if "application/json" in content:
                said = content["application/json"]
                schema = {**said["schema"], "components": OPENAPI["components"]}
                jsonschema_rs.Draft202012Validator(schema, validate_formats=True).validate(said["example"])
                count += 1
    for code, example in OPENAPI["components"]["examples"].items():
        schema = {"$ref": "#/components/schemas/Problem", "components": OPENAPI["components"]}
        jsonschema_rs.Draft202012Validator(schema).validate(example["value"])
        assert example["value"]["code"] == code
    assert count > len(ROWS)


def test_descriptions_are_in_the_words_of_the_wire() -> None:
    known = names_on_the_wire(OPENAPI)
    for text in descriptions(OPENAPI):
        assert "``" not in text
        assert not _python_names(text) - known, text


def _python_names(text: str) -> set[str]:
    dotted = set(re.findall(r"\b(?:domain|handlers|store|rest|server)\.[a-z_.]+", text))
    return dotted | set(re.findall(r"\b[a-z]+(?:_[a-z]+)+\b", text))


def test_every_tag_is_described() -> None:
    described = {tag["name"] for tag in OPENAPI["tags"]}
    assert {tag for operation in operations().values() for tag in operation["tags"]} == described


def test_patterns_are_in_the_dialect_of_json_schema() -> None:
    assert r"\Z" not in json.dumps(OPENAPI).replace("\\\\", "\\")
    email = SCHEMAS["LoginBody"]["properties"]["email"]
    validator = jsonschema_rs.Draft202012Validator(email)
    assert validator.is_valid("ann@example.com")
    assert not validator.is_valid("ann")
