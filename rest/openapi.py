"""The OpenAPI 3.1 document, generated from the rows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from domain.wire import codec
from domain.wire.fields import IdempotencyKey
from rest.errors import Problem
from rest.requests import KEY_FIELD, KEY_HEADER
from rest.route import Route

Schema = dict[str, Any]

_PARAMETER = re.compile(r"\{([^}:]+)[^}]*\}")
_REFERENCE = "#/components/schemas/{name}"
_BEARER = "bearer"
_ONE_FILE: Schema = {
    "type": "object",
    "properties": {"file": {"type": "string", "contentMediaType": "application/octet-stream"}},
    "required": ["file"],
}
_KEY_SCHEMA: Schema = msgspec.json.schema(IdempotencyKey)
_PROBLEMS = {
    400: "Not valid JSON, or a body that stalls or comes too slowly for its size",
    401: "No token, or not a good one",
    403: "Not allowed",
    404: "Not there, or not yours to see",
    413: "Too large",
    415: "Not JSON",
    422: "A field was refused",
    429: "Too many requests; see Retry-After",
    503: "Not now; try again",
}


def document(rows: Sequence[Route], version: str = "1.0.0") -> bytes:
    """JSON. Every row is there; bodies and answers are components of their own."""
    types = _types(rows)
    schemas, components = msgspec.json.schema_components(types, ref_template=_REFERENCE)
    writer = _Writer(dict(zip(types, schemas, strict=True)), components)
    paths: dict[str, Schema] = {}
    for row in rows:
        paths.setdefault(_plain(row.full_path), {})[row.method.lower()] = writer.operation(row)
    return codec.encode(
        {
            "openapi": "3.1.0",
            "info": {"title": "Spotter", "version": version, "description": "Personal training, booked and paid for."},
            "servers": [{"url": "/"}],
            "paths": paths,
            "components": {
                "schemas": _ecma(components),
                "securitySchemes": {_BEARER: {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
                "responses": {"Problem": writer.problem("An error")},
            },
        }
    )


class _Writer:
    def __init__(self, schemas: dict[Any, Schema], components: dict[str, Schema]) -> None:
        self._schemas = schemas
        self._components = components

    def operation(self, row: Route) -> Schema:
        names = {name: row.path_names.get(name, name) for name in _PARAMETER.findall(row.path)}
        fields = self._fields_of(row)
        operation: Schema = {
            "operationId": _operation_id(row),
            "summary": row.summary,
            "tags": [row.path.split("/")[1]],
            "parameters": self._parameters(row, names, fields),
            "responses": self._responses(row),
        }
        if not row.public:
            operation["security"] = [{_BEARER: []}]
        elif row.optional_auth:
            operation["security"] = [{}, {_BEARER: []}]
        if row.has_body and row.command is not None:
            operation["requestBody"] = self._body(row.command, {*names.values(), KEY_FIELD}, fields)
        if row.consumes is not None:
            operation["requestBody"] = {"required": True, "content": {row.consumes: {"schema": _ONE_FILE}}}
        return operation

    def problem(self, description: str) -> Schema:
        return {"description": description, "content": {"application/problem+json": {"schema": self._schemas[Problem]}}}

    def _fields_of(self, row: Route) -> Schema:
        """The schema of the whole command: its ``properties`` and ``required``."""
        if row.command is None:
            return {"properties": {}, "required": []}
        return self._components[self._schemas[row.command]["$ref"].rpartition("/")[2]]

    def _parameters(self, row: Route, names: dict[str, str], fields: Schema) -> list[Schema]:
        properties, required = fields["properties"], fields["required"]
        found = [
            {"name": name, "in": "path", "required": True, "schema": _ecma(properties[wire_name])}
            for name, wire_name in names.items()
        ]
        if not row.has_body:
            found += [
                {"name": name, "in": "query", "required": name in required, "schema": _ecma(schema)}
                for name, schema in properties.items()
                if name not in names.values() and name != KEY_FIELD
            ]
        if KEY_FIELD in properties:
            schema = _ecma(properties[KEY_FIELD])
            needed = row.needs_key or KEY_FIELD in required
            found.append({"name": KEY_HEADER, "in": "header", "required": needed, "schema": schema})
        elif row.consumes is not None:
            found.append({"name": KEY_HEADER, "in": "header", "required": False, "schema": _ecma(_KEY_SCHEMA)})
        return found

    def _body(self, command: type[msgspec.Struct], elsewhere: set[str], fields: Schema) -> Schema:
        schema = self._schemas[command]
        required = [name for name in fields["required"] if name not in elsewhere]
        if elsewhere & fields["properties"].keys():
            properties = {name: value for name, value in fields["properties"].items() if name not in elsewhere}
            schema = {**fields, "title": f"{fields['title']}Body", "properties": properties, "required": required}
        return {"required": bool(required), "content": {"application/json": {"schema": _ecma(schema)}}}

    def _responses(self, row: Route) -> Schema:
        success: Schema = {"description": row.summary}
        if row.produces is not None:
            success["content"] = {row.produces: {}}
        elif row.answer is not None:
            success["content"] = {"application/json": {"schema": self._schemas[row.answer]}}
        responses: Schema = {str(row.success): success}
        for status, description in _PROBLEMS.items():
            if _may_answer(row, status):
                responses[str(status)] = self.problem(description)
        responses["default"] = {"$ref": "#/components/responses/Problem"}
        return responses


def _may_answer(row: Route, status: int) -> bool:
    if status in (400, 413, 415):
        return row.has_body
    return status not in (401, 403) or not row.public or row.path.startswith("/auth/")


def _types(rows: Sequence[Route]) -> list[Any]:
    wanted = [Problem, *(row.command for row in rows), *(row.answer for row in rows if row.produces is None)]
    return [kind for kind in dict.fromkeys(wanted) if kind is not None]


def _plain(path: str) -> str:
    return _PARAMETER.sub(r"{\1}", path)


def _operation_id(row: Route) -> str:
    words = re.findall(r"[A-Za-z0-9]+", row.path)
    return row.method.lower() + "".join(word[0].upper() + word[1:] for word in words)


def _ecma(schema: Any) -> Any:
    """Patterns in the dialect of JSON Schema, which has ``$`` for what Python calls ``\\Z``."""
    if isinstance(schema, dict):
        return {
            key: value.replace(r"\Z", "$") if key == "pattern" and isinstance(value, str) else _ecma(value)
            for key, value in schema.items()
        }
    return [_ecma(one) for one in schema] if isinstance(schema, list) else schema
