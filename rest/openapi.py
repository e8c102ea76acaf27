"""The OpenAPI 3.1 document, generated from the rows."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any

import msgspec

from domain.errors import Code
from domain.wire import codec
from domain.wire.fields import IdempotencyKey
from domain.wire.schemas import Schema, Schemas, without_null
from handlers.refusals import SIGNING_IN, meaning_of, refusals_of
from rest.errors import STATUS, Problem
from rest.published_limits import windows
from rest.requests import KEY_FIELD, KEY_HEADER
from rest.route import Route
from rest.tables import CSV

_PARAMETER = re.compile(r"\{([^}:]+)[^}]*\}")
_BEARER = "bearer"
_BINARY: Schema = {"type": "string", "format": "binary"}
_UPLOAD: Schema = {
    "title": "Upload",
    "type": "object",
    "description": "A form with one part, the file.",
    "properties": {"file": {**_BINARY, "contentMediaType": "application/octet-stream"}},
    "required": ["file"],
}
_TAGS = {
    "auth": "Registering, signing in and out, passwords, the devices signed in",
    "me": "What is one's own: account, profile, offers, schedule, bookmarks, calendar",
    "trainers": "Trainers as everybody sees them",
    "categories": "What can be trained",
    "bookings": "Sessions of a client with a trainer",
    "reviews": "What clients say of sessions",
    "sync": "Catching up without a socket",
    "conversations": "Messages without a socket",
    "files": "Pictures, videos and PDFs",
    "calendar": "The feed for calendar programs",
    "admin": "For administrators",
    "limits": "What callers are allowed",
    "purchases": "Buying credits",
    "credits": "Credits bought and used",
    "transactions": "What was paid",
    "reports": "Reporting people",
    "unsubscribe": "Links of mails that end their kind",
    "webhooks": "For the payment provider",
}
_DESCRIPTION = """Personal training, booked and paid for.

Instants are RFC 3339 in UTC, ids 24 hex digits, money an integer in minor units. Unknown fields of a request are
refused. Lists answer `{items, nextCursor}`; `nextCursor` is null at the end and goes back as `cursor`. Errors are
`application/problem+json`; `code` is for programs. URLs of files are paths below the server's address.

What a server sends by itself, and the commands of its sockets, are described by `/asyncapi.json` with the same schemas.
"""
_TAG = '"3f2a9c"'
_HEADERS: dict[str, Schema] = {
    "RateLimit-Policy": {
        "description": "the limits by which the request was counted: quota `q` in a window of `w` seconds",
        "schema": {"type": "string", "examples": ['"general:caller";q=600;w=60']},
    },
    "RateLimit": {
        "description": "what is left of each: `r` requests, and `t` seconds until there is one more",
        "schema": {"type": "string", "examples": ['"general:caller";r=599;t=60']},
    },
    "Retry-After": {
        "description": "seconds to wait",
        "schema": {"type": "integer", "format": "int32", "minimum": 1, "examples": [7]},
    },
    "WWW-Authenticate": {
        "description": "how to sign in: with an access token",
        "schema": {"type": "string", "const": "Bearer"},
    },
    "Accept-Encoding": {
        "description": "the codings that a body may come in, where it came in another",
        "schema": {"type": "string", "const": "identity"},
    },
    "ETag": {"description": "names what was answered", "schema": {"type": "string", "examples": [_TAG]}},
    "Accept-Ranges": {"description": "parts can be asked for", "schema": {"type": "string", "const": "bytes"}},
    "Content-Range": {
        "description": "which part it is, and the length of the whole",
        "schema": {"type": "string", "examples": ["bytes 0-1023/48211"]},
    },
    "Content-Disposition": {
        "description": "the file's name, and whether it is shown or saved",
        "schema": {"type": "string", "examples": ['inline; filename="a.jpg"; filename*=UTF-8\'\'a.jpg']},
    },
}
# What a request for a document or a file may say, by the name of its header.
_CONDITIONS: dict[str, tuple[str, str]] = {
    "If-Match": ("answer only what has this `ETag`", _TAG),
    "If-None-Match": ("answer only what has another `ETag`", _TAG),
}
_PARTS: dict[str, tuple[str, str]] = {
    "Range": ("one part, in bytes", "bytes=0-1023"),
    "If-Range": ("the part of what has this `ETag`, of anything else the whole", _TAG),
}


def _headers(*names: str) -> Schema:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


_RATE_HEADERS = _headers("RateLimit-Policy", "RateLimit")
_BODY = (Code.MALFORMED, Code.PAYLOAD_TOO_LARGE, Code.UNSUPPORTED_MEDIA)
# The longest cursor in percent codes is longer than a URL may be.
_ANY = (Code.VALIDATION_FAILED, Code.RATE_LIMITED, Code.HEAD_TOO_LARGE, Code.INTERNAL, Code.UNAVAILABLE)
_FORM, _PAGE = "application/x-www-form-urlencoded", "text/html"
# Of documents and files, which are answered without a body too (RFC 9110, 13 and 14).
_OF_DOWNLOADS: dict[int, Schema] = {
    206: {
        "description": "The part that `Range` asked for",
        "headers": _headers("ETag", "Accept-Ranges", "Content-Range", "Content-Disposition"),
        "content": {"*/*": {"schema": _BINARY}},
    },
    304: {"description": "Not changed since the `ETag` of `If-None-Match`", "headers": _headers("ETag")},
}


def document(rows: Sequence[Route], scaled: Callable[[int], int] = int, version: str = "1.0.0") -> bytes:
    """JSON. Every row is there; ``scaled``: how many requests are allowed where a row says so many."""
    writer = _Writer(Schemas(_types(rows)), scaled)
    paths: dict[str, Schema] = {}
    for row in rows:
        paths.setdefault(_plain(row.full_path), {})[row.method.lower()] = writer.operation(row)
    responses = {"Problem": writer.problem("Any other error")}
    return codec.encode(
        {
            "openapi": "3.1.0",
            "info": {
                "title": "Spotter",
                "version": version,
                "description": _DESCRIPTION,
                "license": {"name": "MIT", "identifier": "MIT"},
            },
            "servers": [{"url": "/", "description": "The server that serves this document"}],
            "security": [{_BEARER: []}],
            "tags": [{"name": tag, "description": _TAGS[tag]} for tag in _used_tags(rows) if tag in _TAGS],
            "paths": paths,
            "components": {
                "schemas": writer.schemas.reachable([paths, responses]),
                "securitySchemes": {_BEARER: {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
                "responses": responses,
                "headers": _HEADERS,
                "examples": dict(sorted(writer.examples.items())),
            },
        }
    )


class _Writer:
    def __init__(self, schemas: Schemas, scaled: Callable[[int], int]) -> None:
        self.schemas = schemas
        self.examples: dict[str, Schema] = {}
        self._scaled = scaled

    def operation(self, row: Route) -> Schema:
        names = {name: row.path_names.get(name, name) for name in _PARAMETER.findall(row.path)}
        operation: Schema = {"operationId": _operation_id(row), "summary": row.summary, "tags": [_tag(row)]}
        described = self.schemas.fields(row.command).get("description") if row.command is not None else None
        if described:
            operation["description"] = described
        if row.public:
            # Whoever may send a token need not.
            operation["security"] = [{}, {_BEARER: []}] if row.optional_auth else []
        parameters = self._parameters(row, names)
        if parameters:
            operation["parameters"] = parameters
        if row.consumes == _FORM:
            operation["requestBody"] = {"required": False, "content": {_FORM: {"schema": {"type": "object"}}}}
        elif row.has_body and row.command is not None:
            operation["requestBody"] = self._body(row.command, {*names.values(), KEY_FIELD})
        if row.consumes not in (None, _FORM):
            operation["requestBody"] = {
                "required": True,
                "content": {row.consumes: {"schema": self.schemas.add("Upload", _UPLOAD)}},
            }
        operation["responses"] = self._responses(row)
        operation["x-rate-limits"] = [msgspec.to_builtins(window) for window in windows(row.rate, self._scaled)]
        return operation

    def problem(self, description: str, codes: Sequence[Code] = ()) -> Schema:
        content: Schema = {"schema": self.schemas.of(Problem)}
        if codes:
            content["examples"] = {code: self._example(code) for code in codes}
        return {"description": description, "content": {"application/problem+json": content}}

    def _example(self, code: Code) -> Schema:
        value = {
            **self.schemas.example(self.schemas.of(Problem)),
            "type": f"urn:spotter:error:{code}",
            "title": code.replace("_", " ").capitalize(),
            "status": STATUS[code],
            "code": code,
            "detail": _sentence(meaning_of(code)),
        }
        if code is Code.VALIDATION_FAILED:
            value["errors"] = self.schemas.example(self.schemas.fields(Problem)["properties"]["errors"])
        if code in (Code.RATE_LIMITED, Code.UNAVAILABLE):
            value["retryAfterMs"] = 1000
        self.examples[code] = {"summary": _sentence(meaning_of(code)), "value": value}
        return {"$ref": f"#/components/examples/{code}"}

    def _parameters(self, row: Route, names: dict[str, str]) -> list[Schema]:
        found: list[Schema] = []
        required: Sequence[str] = ()
        command = row.command
        if command is not None:
            fields = self.schemas.fields(command)
            properties, required = fields["properties"], fields.get("required", ())
            found += [self._parameter(name, "path", properties[wire], True) for name, wire in names.items()]
            if not row.has_body:
                found += [
                    self._parameter(name, "query", schema, name in required, self.schemas.default_of(command, name))
                    for name, schema in properties.items()
                    if name not in names.values() and name != KEY_FIELD
                ]
        if row.takes_key:
            schema = self.schemas.of(IdempotencyKey)
            needed = row.needs_key or KEY_FIELD in required
            found.append(self._parameter(KEY_HEADER, "header", schema, needed))
        if _is_document(row):
            for name, (said, example) in (_CONDITIONS | (_PARTS if _has_parts(row) else {})).items():
                schema = {"type": "string", "description": said, "examples": [example]}
                found.append(self._parameter(name, "header", schema, False))
        return found

    def _parameter(self, name: str, place: str, schema: Schema, required: bool, default: Any = None) -> Schema:
        """What is not required is left out, never null."""
        schema = without_null(schema)
        parameter: Schema = {"name": name, "in": place, "required": required}
        if "description" in schema:
            parameter["description"] = schema["description"]
            schema = {word: value for word, value in schema.items() if word != "description"}
        parameter["schema"] = schema if default is None else {**schema, "default": msgspec.to_builtins(default)}
        return parameter

    def _body(self, command: type[msgspec.Struct], elsewhere: set[str]) -> Schema:
        """A component of its own: some fields of the command travel elsewhere."""
        fields = self.schemas.fields(command)
        name = f"{fields['title']}Body"
        body = {
            **fields,
            "title": name,
            "properties": {key: value for key, value in fields["properties"].items() if key not in elsewhere},
            "required": [key for key in fields.get("required", ()) if key not in elsewhere],
        }
        if not body["required"]:
            del body["required"]
        content = {"schema": self.schemas.add(name, body), "example": self.schemas.example(body)}
        return {"required": "required" in body, "content": {"application/json": content}}

    def _responses(self, row: Route) -> Schema:
        success: Schema = {"description": _sentence(row.summary), "headers": _RATE_HEADERS}
        if row.produces is not None:
            of_parts = ("Accept-Ranges", "Content-Disposition") if _has_parts(row) else ()
            if _is_document(row):
                success["headers"] = _RATE_HEADERS | _headers("ETag", *of_parts)
            is_text = row.produces.startswith("text/")
            # A file is what it is: a picture, a video or a PDF.
            kind = "*/*" if _has_parts(row) else row.produces
            success["content"] = {kind: {"schema": {"type": "string"} if is_text else _BINARY}}
        elif row.answer is not None:
            schema = self.schemas.of(row.answer)
            success["content"] = {"application/json": {"schema": schema, "example": self.schemas.example(schema)}}
            if row.table is not None:
                success["content"][CSV] = {"schema": {"type": "string"}}
        responses: Schema = {str(row.success): success}
        if _is_document(row):
            parts = (206, 304) if _has_parts(row) else (304,)
            responses |= {str(status): _OF_DOWNLOADS[status] for status in parts}
        by_status: dict[int, list[Code]] = {}
        for code in codes_of(row):
            by_status.setdefault(STATUS[code], []).append(code)
        for status, codes in sorted(by_status.items()):
            meanings = "; ".join(f"`{code}`: {meaning_of(code)}" for code in codes)
            responses[str(status)] = self.problem(f"{HTTPStatus(status).phrase}. {meanings}.", codes)
            if status in (429, 503):
                responses[str(status)]["headers"] = _headers("Retry-After")
            if status == HTTPStatus.UNAUTHORIZED:
                responses[str(status)]["headers"] = _headers("WWW-Authenticate")
            if status == STATUS[Code.UNSUPPORTED_MEDIA]:
                responses[str(status)]["headers"] = _headers("Accept-Encoding")
            if status == STATUS[Code.RANGE_NOT_SATISFIABLE]:
                responses[str(status)]["headers"] = _headers("Content-Range")
        responses["default"] = {"$ref": "#/components/responses/Problem"}
        return responses


def _is_document(row: Route) -> bool:
    """Whether its answers have tags; a page for people has none."""
    return row.produces is not None and row.produces != _PAGE


def _has_parts(row: Route) -> bool:
    return row.produces == "application/octet-stream"


def codes_of(row: Route) -> list[Code]:
    """What a request of the row may be refused with; only HTTP itself has more."""
    codes = [*_ANY, *refusals_of(row.handler)]
    if row.has_body:
        codes += _BODY
    if not row.public or row.optional_auth:
        codes += SIGNING_IN
    if _is_document(row):
        codes.append(Code.PRECONDITION_FAILED)
    if row.takes_key:
        codes.append(Code.IDEMPOTENCY_CONFLICT)
    return sorted(set(codes), key=list(Code).index)


def _types(rows: Sequence[Route]) -> list[Any]:
    wanted = [
        Problem, IdempotencyKey, *(row.command for row in rows), *(row.answer for row in rows if row.produces is None)
    ]  # fmt: skip
    return [kind for kind in dict.fromkeys(wanted) if kind is not None]


def _plain(path: str) -> str:
    return _PARAMETER.sub(r"{\1}", path)


def _tag(row: Route) -> str:
    return row.path.split("/")[1]


def _used_tags(rows: Sequence[Route]) -> list[str]:
    return list(dict.fromkeys(_tag(row) for row in rows))


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _operation_id(row: Route) -> str:
    words = re.findall(r"[A-Za-z0-9]+", row.path)
    return row.method.lower() + "".join(word[0].upper() + word[1:] for word in words)
