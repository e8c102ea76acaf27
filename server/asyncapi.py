"""The AsyncAPI 3 document of the sockets, generated from the rows that serve them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_type_hints

import msgspec

from domain.errors import Code
from domain.wire import codec
from domain.wire.events import Event, events_of
from domain.wire.limits import EventLimits, SocketLimits
from domain.wire.schemas import Schema, Schemas
from handlers.refusals import SIGNING_IN, meaning_of, refusals_of
from server.protocol.packets import CommandError, ConnectError
from server.sockets.admission import Handshake
from server.sockets.dispatcher import SocketRow
from server.sockets.rows import Row

_TITLES = {
    "/conversations": "Messages, receipts and typing of one's conversations",
    "/presence": "Who is there",
    "/bookings": "Bookings as they change, free slots and credits",
}
_DESCRIPTION = """Socket.IO 5 over Engine.IO 4 at `/socket.io/`, by WebSocket and by polling.

Each channel is a namespace, connected with `auth: {token}`. A command is an event with one object and an
acknowledgement, `{"ok": true, "data": …}` or `{"ok": false, "error": …}`; there is always one. Its name is the
message's `name`; any other event is acknowledged with `unknown_event`. The same objects travel over HTTP, described by
`/openapi.json` with the same schemas.
"""
# Of any command; what its handler refuses with comes besides.
_ANY = (
    Code.VALIDATION_FAILED, Code.MALFORMED, Code.UNAUTHENTICATED, Code.RATE_LIMITED, Code.INTERNAL, Code.UNAVAILABLE,
)  # fmt: skip
_CONNECTING = (*SIGNING_IN, Code.MALFORMED, Code.NOT_FOUND, Code.RATE_LIMITED, Code.UNAVAILABLE, Code.INTERNAL)
_NOTHING: Schema = {"title": "Nothing", "type": "object", "description": "An empty object."}
_CONNECTED: Schema = {
    "title": "Connected",
    "type": "object",
    "properties": {"sid": {"type": "string", "examples": ["mMQx4kY3hX8q2w0f"]}},
    "required": ["sid"],
}


def document(
    namespaces: Mapping[str, Sequence[Row]], own: Sequence[SocketRow], limits: SocketLimits, version: str = "1.0.0"
) -> bytes:
    """JSON. ``own``: the rows that every namespace understands; ``limits``: as the rows are published."""
    writer = _Writer(namespaces, own, limits)
    for namespace, rows in namespaces.items():
        writer.add_namespace(namespace, [*own, *rows])
    messages = dict(sorted(writer.messages.items()))
    return codec.encode(
        {
            "asyncapi": "3.0.0",
            "info": {
                "title": "Spotter",
                "version": version,
                "description": _DESCRIPTION,
                "license": {"name": "MIT"},
            },
            "defaultContentType": "application/json",
            "servers": {
                "spotter": {
                    "host": "{host}",
                    "pathname": "/socket.io/",
                    "protocol": "wss",
                    "description": "The server that serves this document.",
                    "variables": {"host": {"default": "localhost:8080"}},
                    "security": [{"$ref": "#/components/securitySchemes/bearer"}],
                }
            },
            "channels": writer.channels,
            "operations": writer.operations,
            "components": {
                "schemas": writer.schemas.reachable(messages),
                "messages": messages,
                "securitySchemes": {
                    "bearer": {
                        "type": "http",
                        "scheme": "bearer",
                        "bearerFormat": "JWT",
                        "description": "The access token, as `token` of `auth` when a namespace is connected.",
                    }
                },
            },
            "x-rate-limits": {name: msgspec.to_builtins(rate) for name, rate in limits.rates.items()},
            "x-limits": [msgspec.to_builtins(bound) for bound in limits.bounds],
        }
    )


class _Writer:
    def __init__(
        self, namespaces: Mapping[str, Sequence[Row]], own: Sequence[SocketRow], limits: SocketLimits
    ) -> None:
        rows: list[Row | SocketRow] = [*own, *(row for rows in namespaces.values() for row in rows)]
        answers = [answer_of(row.handler) for row in rows]
        events = [event for namespace in namespaces for event in events_of(namespace)]
        kinds: list[Any] = [CommandError, ConnectError, Handshake, *(row.command for row in rows), *answers, *events]
        self.schemas = Schemas([kind for kind in kinds if kind is not None])
        self.messages: dict[str, Schema] = {}
        self.channels: dict[str, Schema] = {}
        self.operations: dict[str, Schema] = {}
        self._limits = {(limit.namespace, limit.event): limit for limit in limits.events}

    def add_namespace(self, namespace: str, rows: Sequence[Row | SocketRow]) -> None:
        channel = namespace.strip("/")
        self.channels[channel] = {
            "address": namespace,
            "title": namespace,
            "description": _TITLES.get(namespace, f"The namespace {namespace}"),
            "messages": {},
        }
        self._add_connecting(channel)
        for row in rows:
            self._add_command(channel, row, self._limits.get((namespace, row.event)))
        for event in events_of(namespace):
            self._add_event(channel, event)

    def _add_connecting(self, channel: str) -> None:
        self._message(
            channel, "connect", "connect", "Connect the namespace", self.schemas.of(Handshake), described="`auth`"
        )
        connected = self.schemas.add("Connected", _CONNECTED)
        self._message(channel, "connected", "connect", "The namespace is connected", connected)
        codes = {"data": {"properties": {"code": _one_of(_CONNECTING)}}}
        error = {"allOf": [self.schemas.of(ConnectError)], "properties": codes}
        summary = "The namespace is not connected"
        self._message(channel, "connectError", "connect_error", summary, error, described=_codes_text(_CONNECTING))
        self._operation(channel, "connect", "receive", "Connect the namespace", ["connect"])
        self.operations[f"{channel}.connect"]["reply"] = self._reply(channel, ["connected", "connectError"])

    def _add_command(self, channel: str, row: Row | SocketRow, limit: EventLimits | None) -> None:
        key = _camel(row.event)
        codes = codes_of(row)
        answer = answer_of(row.handler)
        data = self.schemas.add("Nothing", _NOTHING) if answer is None else self.schemas.of(answer)
        payload = self.schemas.of(row.command)
        described = self.schemas.fields(row.command).get("description")
        self._message(channel, key, row.event, f"The command {row.event}", payload, described=described)
        acknowledged = self.schemas.add(f"{key[0].upper()}{key[1:]}Ack", self._acknowledgement(data, codes))
        summary = f"The acknowledgement of {row.event}"
        self._message(channel, f"{key}Ack", row.event, summary, acknowledged, described=_codes_text(codes))
        self._operation(channel, key, "receive", f"The client sends {row.event}", [key])
        operation = self.operations[f"{channel}.{key}"]
        operation["reply"] = self._reply(channel, [f"{key}Ack"])
        operation["x-error-codes"] = list(codes)
        if limit is not None:
            rate = limit.rate
            text = f"At most {rate.burst} at once and {rate.per_second:g} a second of one {rate.by}."
            operation |= {"x-rate-limit": msgspec.to_builtins(rate), "description": text}

    def _acknowledgement(self, data: Schema, codes: Sequence[Code]) -> Schema:
        error = {"allOf": [self.schemas.of(CommandError)], "properties": {"code": _one_of(codes)}}
        return {
            "oneOf": [
                {
                    "type": "object",
                    "properties": {"ok": {"type": "boolean", "const": True}, "data": data},
                    "required": ["ok", "data"],
                },
                {
                    "type": "object",
                    "properties": {"ok": {"type": "boolean", "const": False}, "error": error},
                    "required": ["ok", "error"],
                },
            ]
        }

    def _add_event(self, channel: str, event: type[Event]) -> None:
        key = _camel(f"on:{event.name}")
        described = self.schemas.fields(event).get("description")
        self._message(
            channel, key, event.name, f"The event {event.name}", self.schemas.of(event), described=described,
            component=f"{channel}.{key}" if event.name in _SHARED else key,
        )  # fmt: skip
        self._operation(channel, key, "send", f"The server sends {event.name}", [key])

    def _message(
        self, channel: str, key: str, name: str, summary: str, payload: Schema, *, described: str | None = None,
        component: str | None = None,
    ) -> None:  # fmt: skip
        message: Schema = {"name": name, "title": key, "summary": f"{summary}."}
        if described:
            message["description"] = described
        message["payload"] = payload
        if not key.endswith("Ack") and "$ref" in payload:
            message["examples"] = [{"payload": self.schemas.example(payload)}]
        component = component or key
        if self.messages.setdefault(component, message) != message:
            raise ValueError(f"two messages are called {component}")
        self.channels[channel]["messages"][key] = {"$ref": f"#/components/messages/{component}"}

    def _operation(self, channel: str, key: str, action: str, summary: str, messages: list[str]) -> None:
        self.operations[f"{channel}.{key}"] = {
            "action": action,
            "channel": {"$ref": f"#/channels/{channel}"},
            "summary": f"{summary}.",
            "messages": self._references(channel, messages),
        }

    def _reply(self, channel: str, messages: list[str]) -> Schema:
        return {"channel": {"$ref": f"#/channels/{channel}"}, "messages": self._references(channel, messages)}

    @staticmethod
    def _references(channel: str, messages: list[str]) -> list[Schema]:
        return [{"$ref": f"#/channels/{channel}/messages/{key}"} for key in messages]


# Of these there is one in each of several namespaces, each with a schema of its own.
_SHARED = frozenset({"sync:required"})


def answer_of(handler: Callable[..., Any]) -> Any:
    """What a handler answers, as it is annotated; None for nothing."""
    answer = get_type_hints(handler)["return"]
    return None if answer is type(None) else answer


def codes_of(row: Row | SocketRow) -> list[Code]:
    """What a command may be refused with."""
    special = (*SIGNING_IN, Code.FORBIDDEN) if isinstance(row, SocketRow) else refusals_of(row.handler)
    keyed = (Code.IDEMPOTENCY_CONFLICT,) if isinstance(row, Row) else ()
    return sorted({*_ANY, *special, *keyed}, key=list(Code).index)


def _one_of(codes: Sequence[Code]) -> Schema:
    return {"type": "string", "enum": list(codes)}


def _codes_text(codes: Sequence[Code]) -> str:
    return "Codes: " + "; ".join(f"`{code}`: {meaning_of(code)}" for code in codes) + "."


def _camel(event: str) -> str:
    words: list[str] = re.findall(r"[A-Za-z0-9]+", event)
    first, *others = words
    return first + "".join(word[0].upper() + word[1:] for word in others)
