"""The two documents as a server without special limits serves them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, cast

from rest.openapi import document as openapi
from rest.routes import ROWS
from server import asyncapi
from server.published_limits import socket_limits
from server.sockets.admission import Admission, RenewToken
from server.sockets.dispatcher import SocketRow
from server.sockets.namespaces import NAMESPACES

# Of a node it it is bound to its admission.
OWN_ROWS = (SocketRow("auth:refresh", RenewToken, cast(Any, Admission.renew)),)

OPENAPI: dict[str, Any] = json.loads(openapi(ROWS))
ASYNCAPI: dict[str, Any] = json.loads(
    asyncapi.document(NAMESPACES, OWN_ROWS, socket_limits(NAMESPACES, OWN_ROWS, 1.0, ()))
)


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def resolved(document: dict[str, Any], reference: str) -> Any:
    place: Any = document
    for step in reference.removeprefix("#/").split("/"):
        place = place[step.replace("~1", "/").replace("~0", "~")]
    return place


def descriptions(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for word in ("description", "summary"):
            if isinstance(node.get(word), str):
                yield node[word]
        for value in node.values():
            yield from descriptions(value)
    elif isinstance(node, list):
        for value in node:
            yield from descriptions(value)


def names_on_the_wire(document: dict[str, Any]) -> set[str]:
    """Fields, and the values of enumerations."""
    found: set[str] = set()

    def collect(node: Any) -> None:
        if isinstance(node, dict):
            if isinstance(node.get("properties"), dict):
                found.update(node["properties"])
            found.update(value for value in node.get("enum", ()) if isinstance(value, str))
            for value in node.values():
                collect(value)
        elif isinstance(node, list):
            for value in node:
                collect(value)

    collect(document)
    return found
