"""Stripe's OpenAPI document: which operations there are, what they take, and whether an answer is one of Stripe's.

``openapi.json.gz`` is made by ``scripts/extract_stripe_openapi.py``. Read when first needed, compiled schema by schema.
"""

from __future__ import annotations

import functools
import gzip
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema_rs

Schema = dict[str, Any]

_FILE = Path(__file__).parent / "openapi.json.gz"
_ROOT = "urn:stripe"
_FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Operation:
    method: str
    path: str
    request: Schema
    """Of the parameters: of the query, or of the form."""
    _answer: Schema

    @functools.cached_property
    def answer(self) -> jsonschema_rs.Draft202012Validator:
        return _validator(self._answer)


class Unfaithful(Exception):
    """An answer of ours that is none of Stripe's: a fault of the sandbox."""


@functools.cache
def _document() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(gzip.decompress(_FILE.read_bytes()))
    return found


def version() -> str:
    """Stripe's API version that the document describes."""
    found: str = _document()["version"]
    return found


@functools.cache
def _paths() -> list[tuple[re.Pattern[str], str]]:
    """Those without a variable first: ``search`` is no id."""
    paths = sorted(_document()["paths"], key=lambda path: path.count("{"))
    return [(re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path) + "$"), path) for path in paths]


def operation(method: str, path: str) -> tuple[Operation, dict[str, str]] | None:
    """The operation at a path as it was requested, and the path's variables."""
    for pattern, template in _paths():
        found = pattern.match(path)
        if found and method.lower() in _document()["paths"][template]:
            return _operation(method.lower(), template), found.groupdict()
    return None


@functools.cache
def _operation(method: str, path: str) -> Operation:
    described = _document()["paths"][path][method]
    answer = described["responses"]["200"]["content"]["application/json"]["schema"]
    return Operation(method, path, _query(described) if method == "get" else _form(described), answer)


def _query(described: Mapping[str, Any]) -> Schema:
    named = [one for one in described.get("parameters", ()) if one["in"] == "query"]
    return {
        "type": "object",
        "properties": {one["name"]: one["schema"] for one in named},
        "required": [one["name"] for one in named if one.get("required")],
        "additionalProperties": False,
    }


def _form(described: Mapping[str, Any]) -> Schema:
    form: Schema = {"type": "object", "additionalProperties": False, "properties": {}}
    form |= described.get("requestBody", {}).get("content", {}).get(_FORM, {}).get("schema", {})
    return form


def card_details() -> Schema:
    """The card of ``POST /v1/payment_methods``, which phones may send with a confirmation too."""
    found: Schema = _operation("post", "/v1/payment_methods").request["properties"]["card"]
    return found


def properties(name: str) -> Mapping[str, Schema]:
    """Of one of Stripe's objects, by its schema's name."""
    found: Mapping[str, Schema] = _document()["schemas"][name]["properties"]
    return found


def complete(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The object with every field that Stripe would answer as null."""
    empty = {field: None for field, schema in properties(name).items() if schema.get("nullable")}
    return {**empty, **given}


def check(answer: object, operation: Operation) -> None:
    """Raises Unfaithful."""
    _refuse(operation.answer, answer, f"{operation.method.upper()} {operation.path}")


def check_object(value: Mapping[str, Any], name: str) -> None:
    """Raises Unfaithful."""
    _refuse(_named(name), value, name)


def has(name: str) -> bool:
    return name in _document()["schemas"]


def _refuse(validator: jsonschema_rs.Draft202012Validator, value: object, what: str) -> None:
    errors = [f"{'/'.join(map(str, error.instance_path))}: {error.message}" for error in validator.iter_errors(value)]
    if errors:
        raise Unfaithful(f"{what}: " + "; ".join(error[:300] for error in errors[:5]))


@functools.cache
def _named(name: str) -> jsonschema_rs.Draft202012Validator:
    return _validator({"$ref": f"#/components/schemas/{name}"})


def _validator(schema: Schema) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(_converted(schema), registry=_registry())


@functools.cache
def _registry() -> jsonschema_rs.Registry:
    return jsonschema_rs.Registry([(_ROOT, {"$defs": _converted(_document()["schemas"])})])


def _converted(part: Any) -> Any:
    """From OpenAPI 3.0 to JSON Schema, and strict: a field that Stripe does not have is a mistake of ours."""
    if isinstance(part, list):
        return [_converted(one) for one in part]
    if not isinstance(part, dict):
        return part
    found = {
        key: {name: _converted(one) for name, one in value.items()} if key == "properties" else _converted(value)
        for key, value in part.items()
    }
    if isinstance(reference := found.get("$ref"), str):
        found["$ref"] = f"{_ROOT}#/$defs/{reference.rpartition('/')[2]}"
    if found.get("type") == "object" and found.get("properties") and "additionalProperties" not in found:
        found["additionalProperties"] = False
    return {"anyOf": [found, {"type": "null"}]} if found.pop("nullable", None) is True else found
