"""Holds an answer against the documents: it has everything that they promise, and nothing that they do not mention."""

from __future__ import annotations

from functools import cache
from typing import Any

import jsonschema_rs

from tests.documents.contract import operation_of
from tests.documents.loaded import ASYNCAPI, OPENAPI, resolved


def assert_described(method: str, path: str, status: int, body: Any) -> None:
    """``path`` as the row has it. Raises ``jsonschema_rs.ValidationError``."""
    responses = OPENAPI["paths"][path][method.lower()]["responses"]
    assert str(status) in responses, f"{method} {path} is not said to answer {status}"
    response = responses[str(status)]
    for kind, content in response.get("content", {}).items():
        if "json" in kind:
            _validator("openapi", content["schema"]["$ref"]).validate(body)


def assert_acknowledgement_described(command: str, acknowledgement: Any) -> None:
    """``command``: namespace and event."""
    namespace, event = command.split()
    operation = operation_of("receive", namespace, event)
    assert operation is not None
    message = resolved(ASYNCAPI, operation["reply"]["messages"][0]["$ref"])
    _validator("asyncapi", resolved(ASYNCAPI, message["$ref"])["payload"]["$ref"]).validate(acknowledgement)


def assert_event_described(namespace: str, event: str, data: Any) -> None:
    operation = operation_of("send", namespace, event)
    assert operation is not None, f"{namespace} does not send {event}"
    message = resolved(ASYNCAPI, operation["messages"][0]["$ref"])
    _validator("asyncapi", resolved(ASYNCAPI, message["$ref"])["payload"]["$ref"]).validate(data)


@cache
def _validator(document: str, reference: str) -> jsonschema_rs.Draft202012Validator:
    components = {"openapi": OPENAPI, "asyncapi": ASYNCAPI}[document]["components"]
    return jsonschema_rs.Draft202012Validator(
        {"$ref": reference, "components": {"schemas": _closed(components["schemas"])}}, validate_formats=True
    )


def _closed(node: Any) -> Any:
    """The same with every object closed; a choice of objects is told apart by what each of them requires."""
    if isinstance(node, list):
        return [_closed(one) for one in node]
    if not isinstance(node, dict):
        return node
    closed = {name: _closed(value) for name, value in node.items()}
    if isinstance(node.get("properties"), dict) and node.get("type") == "object":
        closed.setdefault("additionalProperties", False)
    if node.get("title") == "Nothing":
        closed["maxProperties"] = 0
    return closed
