"""The names of the wire contract (``contract.json``: routes, commands, events, fields, codes), and where the documents
have each.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.documents.loaded import ASYNCAPI, OPENAPI, resolved

CONTRACT: dict[str, Any] = json.loads((Path(__file__).parent / "contract.json").read_text(encoding="utf-8"))

Document = dict[str, Any]


def missing() -> set[str]:
    """Every name of the contract that the documents do not have; fields of what is missing as a whole go with it."""
    return {*_missing_routes(), *_missing_commands(), *_missing_events(), *_missing_codes()}


def _missing_routes() -> Iterator[str]:
    for route, said in CONTRACT["routes"].items():
        method, path = route.split()
        operation = OPENAPI["paths"].get(path, {}).get(method.lower())
        if operation is None:
            yield route
            continue
        yield from _without(f"{route} <-", said["request"], lambda field, op=operation: _takes(op, field))
        answer = _json(OPENAPI, next(iter(operation["responses"].values())))
        yield from _without(f"{route} ->", said["answer"], lambda field, of=answer: _has(OPENAPI, of, field))
    problem = {"$ref": "#/components/schemas/Problem"}
    yield from _without("Problem", CONTRACT["problem"], lambda field: _has(OPENAPI, problem, field))


def _missing_commands() -> Iterator[str]:
    for namespace, commands in CONTRACT["commands"].items():
        for event, said in commands.items():
            operation = operation_of("receive", namespace, event)
            name = f"{namespace} {event}"
            if operation is None:
                yield name
                continue
            payload = _payload(operation["messages"][0])
            yield from _without(f"{name} <-", said["request"], lambda field, of=payload: _has(ASYNCAPI, of, field))
            good = _flat(ASYNCAPI, _payload(operation["reply"]["messages"][0]))["oneOf"][0]["properties"]["data"]
            yield from _without(f"{name} ->", said["answer"], lambda field, of=good: _has(ASYNCAPI, of, field))
    error = {"$ref": "#/components/schemas/CommandError"}
    yield from _without("CommandError", CONTRACT["commandError"], lambda field: _has(ASYNCAPI, error, field))


def _missing_events() -> Iterator[str]:
    for namespace, events in CONTRACT["events"].items():
        for event, fields in events.items():
            operation = operation_of("send", namespace, event)
            name = f"{namespace} {event}"
            if operation is None:
                yield name
                continue
            payload = _payload(operation["messages"][0])
            yield from _without(f"{name} ->", fields, lambda field, of=payload: _has(ASYNCAPI, of, field))


def _missing_codes() -> Iterator[str]:
    for document in (OPENAPI, ASYNCAPI):
        known = document["components"]["schemas"]["Code"]["enum"]
        yield from (f"code {code}" for code in CONTRACT["codes"] if code not in known)


def operation_of(action: str, namespace: str, event: str) -> Document | None:
    channel = f"#/channels/{namespace.strip('/')}"
    for operation in ASYNCAPI["operations"].values():
        if operation["action"] == action and operation["channel"]["$ref"] == channel:
            message = resolved(ASYNCAPI, resolved(ASYNCAPI, operation["messages"][0]["$ref"])["$ref"])
            if message["name"] == event:
                found: Document = operation
                return found
    return None


def _payload(reference: Document) -> Any:
    return resolved(ASYNCAPI, resolved(ASYNCAPI, reference["$ref"])["$ref"])["payload"]


def _without(of: str, fields: list[str], has: Any) -> Iterator[str]:
    """The fields that are not there; of those of a missing one, that one alone."""
    for field in fields:
        parent = field.rpartition(".")[0]
        if not has(field) and (not parent or has(parent)):
            yield f"{of} {field}"


def _takes(operation: Document, field: str) -> bool:
    if any(parameter["name"] == field for parameter in operation.get("parameters", ())):
        return True
    body = operation.get("requestBody")
    return body is not None and _has(OPENAPI, next(iter(body["content"].values()))["schema"], field)


def _json(document: Document, response: Document) -> Document:
    return dict(response.get("content", {}).get("application/json", {}).get("schema", {}))


def _has(document: Document, schema: Document, field: str) -> bool:
    name, _, rest = field.partition(".")
    properties = _flat(document, schema).get("properties", {})
    return name in properties and (not rest or _has(document, properties[name], rest))


def _flat(document: Document, schema: Document) -> Document:
    """The object behind references, lists and choices with null."""
    while True:
        if "$ref" in schema:
            schema = resolved(document, schema["$ref"])
        elif "items" in schema:
            schema = schema["items"]
        elif "anyOf" in schema:
            schema = next(choice for choice in schema["anyOf"] if choice != {"type": "null"})
        else:
            return schema
