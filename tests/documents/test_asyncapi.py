"""The AsyncAPI document says what the rows of the sockets do: what is served is described, and the other way round."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import aiohttp
import jsonschema_rs
import pytest

from domain.wire import events
from domain.wire.events import Event, events_of
from server.asyncapi import codes_of
from server.sockets.dispatcher import SocketRow
from server.sockets.namespaces import NAMESPACES
from server.sockets.rows import Row
from tests.documents.loaded import (
    ASYNCAPI,
    OPENAPI,
    OWN_ROWS,
    descriptions,
    names_on_the_wire,
    references,
    resolved,
)
from tests.harness.nodes import RunningNode

ROOT = Path(__file__).resolve().parents[2]
SCHEMAS = ASYNCAPI["components"]["schemas"]
SERVED: list[tuple[str, Row | SocketRow]] = [
    *((namespace, row) for namespace in NAMESPACES for row in OWN_ROWS),
    *((namespace, row) for namespace, rows in NAMESPACES.items() for row in rows),
]


def described(action: str, namespace: str) -> dict[str, dict[str, Any]]:
    """The operations of a channel that a client may begin (``receive``), or a server (``send``), by their events."""
    channel = f"#/channels/{namespace.strip('/')}"
    found = {}
    for operation in ASYNCAPI["operations"].values():
        if operation["action"] == action and operation["channel"]["$ref"] == channel:
            found[_message(operation["messages"][0])["name"]] = operation
    return found


def _message(reference: dict[str, Any]) -> Any:
    """Of an operation: by its channel to the component."""
    return resolved(ASYNCAPI, resolved(ASYNCAPI, reference["$ref"])["$ref"])


def test_every_namespace_is_a_channel() -> None:
    assert sorted(channel["address"] for channel in ASYNCAPI["channels"].values()) == sorted(NAMESPACES)


@pytest.mark.parametrize("namespace", NAMESPACES)
def test_every_command_that_is_served_is_described_and_no_other(namespace: str) -> None:
    served = [row.event for place, row in SERVED if place == namespace]
    assert sorted(described("receive", namespace)) == sorted([*served, "connect"])


@pytest.mark.parametrize("namespace", NAMESPACES)
def test_every_event_that_is_sent_is_described_and_no_other(namespace: str) -> None:
    assert sorted(described("send", namespace)) == sorted(event.name for event in events_of(namespace))


@pytest.mark.parametrize(("namespace", "row"), SERVED, ids=[f"{place} {row.event}" for place, row in SERVED])
def test_a_command_has_its_acknowledgement_its_codes_and_its_limit(namespace: str, row: Any) -> None:
    operation = described("receive", namespace)[row.event]
    (acknowledged,) = operation["reply"]["messages"]
    good, bad = resolved(ASYNCAPI, _message(acknowledged)["payload"]["$ref"])["oneOf"]
    assert list(good["properties"]["data"]) == ["$ref"]
    assert bad["properties"]["error"]["properties"]["code"]["enum"] == codes_of(row) == operation["x-error-codes"]
    limit = operation["x-rate-limit"]
    assert (limit["burst"], limit["perSecond"]) == (row.rate.burst, row.rate.per_second)
    assert _message(operation["messages"][0])["payload"] == {"$ref": f"#/components/schemas/{row.command.__name__}"}


def test_every_type_of_event_is_sent_by_something() -> None:
    """What is described and never sent would be a promise."""
    texts = [
        re.sub(r"^(from|import) .*?(\n\)|\n)|^class .*", "", path.read_text(encoding="utf-8"), flags=re.M)
        for folder in ("domain", "handlers", "server", "store")
        for path in (ROOT / folder).rglob("*.py")
    ]
    everything = "\n".join(texts)
    kinds = {event for namespace in NAMESPACES for event in events_of(namespace)}
    unused = [kind.__name__ for kind in kinds if not re.search(rf"\b{kind.__name__}\b", everything)]
    assert unused == []


def test_every_type_of_event_belongs_to_a_namespace_that_is_served() -> None:
    kinds = [kind for kind in vars(events).values() if isinstance(kind, type) and issubclass(kind, Event)]
    named = {kind for kind in kinds if "name" in vars(kind)}
    assert named == {event for namespace in NAMESPACES for event in events_of(namespace)}


def test_schemas_are_shared_with_openapi_by_name() -> None:
    shared = SCHEMAS.keys() & OPENAPI["components"]["schemas"].keys()
    assert {name: SCHEMAS[name] for name in shared} == {name: OPENAPI["components"]["schemas"][name] for name in shared}
    assert {"Message", "Conversation", "BookingAnswer", "SyncAnswer", "SlotAnswer", "FieldError", "Code"} <= shared


def test_every_reference_leads_somewhere_and_every_component_is_referred_to() -> None:
    used = set(references(ASYNCAPI))
    for reference in used:
        resolved(ASYNCAPI, reference)
    for kind in ("schemas", "messages"):
        assert [name for name in ASYNCAPI["components"][kind] if f"#/components/{kind}/{name}" not in used] == []


def test_examples_fit() -> None:
    for name, message in ASYNCAPI["components"]["messages"].items():
        schema = {**message["payload"], "components": ASYNCAPI["components"]}
        jsonschema_rs.meta.validate(schema)
        for example in message.get("examples", ()):
            assert jsonschema_rs.Draft202012Validator(schema).is_valid(example["payload"]), name


def test_enumerations_have_a_type() -> None:
    def look(node: Any) -> None:
        if isinstance(node, list):
            for one in node:
                look(one)
        if isinstance(node, dict):
            assert node.get("type") == "string" or not isinstance(node.get("enum"), list)
            for value in node.values():
                look(value)

    look(ASYNCAPI)


def test_descriptions_are_in_the_words_of_the_wire() -> None:
    known = names_on_the_wire(ASYNCAPI)
    for text in descriptions(ASYNCAPI):
        assert "``" not in text
        assert not set(re.findall(r"\b[a-z]+(?:_[a-z]+)+\b", text)) - known, text


async def test_it_is_served_by_a_node(running: RunningNode) -> None:
    async with aiohttp.ClientSession() as http, http.get(f"{running.url}/asyncapi.json") as answer:
        assert (answer.status, answer.content_type) == (200, "application/json")
        served = await answer.json()
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert served["operations"].keys() == ASYNCAPI["operations"].keys()
    assert served["components"] == ASYNCAPI["components"]
    assert {"commands", "connects"} <= served["x-rate-limits"].keys()
    async with aiohttp.ClientSession() as http, http.get(f"{running.url}/openapi.json") as answer:
        assert (await answer.json())["components"]["schemas"] == OPENAPI["components"]["schemas"]
