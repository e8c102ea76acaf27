"""From an HTTP request to a typed command."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import msgspec
from aiohttp import ClientError, web
from aiohttp.http_exceptions import BadHttpMessage
from msgspec.inspect import ListType, SetType, UnionType, VarTupleType, type_info
from msgspec.structs import FieldInfo

from domain.errors import UNKNOWN, Code, DomainError, FieldError, invalid, invalid_fields
from domain.wire import codec, validation_errors
from domain.wire.base import Command
from domain.wire.fields import IdempotencyKey
from domain.wire.validation_errors import REQUIRED, shortened
from rest.errors import body_too_slow, require_no_content_coding
from rest.pace import EXPECTATION, PACED, go_on
from rest.route import Route

# A sync may name 10,000 conversations.
MAX_BODY_BYTES = 512 * 1024
BODY_SECONDS = 30
KEY_FIELD = "idempotencyKey"
KEY_HEADER = "Idempotency-Key"
_WHOLE = re.compile(r"-?(?:0|[1-9][0-9]*)")
# What a body may not name, and where it belongs instead.
_ELSEWHERE = {KEY_FIELD: f"belongs in the {KEY_HEADER} header"}
_PARAMETER = re.compile(r"\{([^}:]+)[^}]*\}")


class Nothing(Command, frozen=True, kw_only=True):
    """What a route without a command takes."""


# Reading annotations takes longer than all else of a node's start.
_fields = cache(msgspec.structs.fields)


class Parser:
    """Builds the command of one route out of path, query, body and the idempotency header."""

    def __init__(self, route: Route) -> None:
        self._route = route
        self._command: type[msgspec.Struct] = route.command or Nothing
        fields = {field.encode_name: field for field in _fields(self._command)}
        key_field = fields.pop(KEY_FIELD, None)
        self._takes_key = key_field is not None
        self._needs_key = key_field is not None and (route.needs_key or key_field.required)
        self._path = {name: fields.pop(route.path_names.get(name, name)) for name in _PARAMETER.findall(route.path)}
        self._query = {} if route.has_body else fields

    async def parse(self, request: web.Request) -> Any:
        """The command, or None for a route without one. Raises all that the caller did wrong."""
        outside = self._from_path(request)
        outer = [*self._from_query(request, outside), *self._key(request, outside)]
        body = b"" if not self._route.has_body else await read_body(request)
        try:
            command = self._command_of(outside, body)
        except DomainError as error:
            if error.errors or outer:
                raise invalid_fields((*outer, *map(_as_header, error.errors)), error.code) from None
            raise
        if outer:
            raise validation_errors.of_command(command, invalid_fields(outer))
        return None if self._route.command is None else command

    def parse_path(self, request: web.Request) -> Any:
        """The command of a route that the path says all of, whatever its body is."""
        return codec.convert(self._command, self._from_path(request))

    def _command_of(self, outside: dict[str, Any], body: bytes) -> Any:
        if not self._route.has_body:
            return codec.convert(self._command, outside)
        body = body or b"{}"
        if not outside and not self._takes_key:
            return codec.decode(self._command, body)
        return codec.decode_beside(self._command, body, outside, elsewhere=_ELSEWHERE)

    def _from_path(self, request: web.Request) -> dict[str, Any]:
        return {field.encode_name: _typed(field, request.match_info[name]) for name, field in self._path.items()}

    def _from_query(self, request: web.Request, values: dict[str, Any]) -> Iterator[FieldError]:
        """Puts what is known into ``values``; yields what is at fault about the rest."""
        for name in dict.fromkeys(request.query):
            field = self._query.get(name)
            texts = request.query.getall(name)
            if field is None:
                yield FieldError(shortened(name), UNKNOWN)
            elif _is_list(field):
                values[name] = _typed(field, texts)
            else:
                values[name] = _typed(field, texts[0])
                if len(texts) > 1:
                    yield FieldError(name, "may be given once")

    def _key(self, request: web.Request, values: dict[str, Any]) -> Iterator[FieldError]:
        try:
            key = None if self._route.method == "GET" else key_of(request)
        except DomainError as error:
            yield from error.errors
            return
        if key is None and self._needs_key:
            yield FieldError(KEY_HEADER, REQUIRED)
        if key is not None and self._takes_key:
            values[KEY_FIELD] = key


def _as_header(error: FieldError) -> FieldError:
    return FieldError(KEY_HEADER, error.message) if error == FieldError(KEY_FIELD, REQUIRED) else error


def key_of(request: web.Request) -> str | None:
    """The idempotency key, if there is one; raises ``validation_failed``."""
    key = request.headers.get(KEY_HEADER)
    if key is None:
        return None
    try:
        return codec.convert(IdempotencyKey, key)
    except DomainError:
        raise invalid(KEY_HEADER, "has to be 1-255 printable ASCII characters") from None


async def read_body(request: web.Request, *, is_json: bool = True) -> bytes:
    """The body as bytes, empty when there is none.

    Raises ``payload_too_large``, ``unsupported_media``, or ``malformed`` for what does not come in time.
    """
    if not request.body_exists:
        return b""
    require_no_content_coding(request)
    if (request.content_length or 0) > MAX_BODY_BYTES:
        raise _too_large()
    if EXPECTATION in request and is_json:
        _require_json(request)
    body = bytearray()
    request[PACED] = True
    try:
        async with asyncio.timeout(BODY_SECONDS):
            await go_on(request)
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > MAX_BODY_BYTES:
                    raise _too_large()
    except TimeoutError:
        raise body_too_slow() from None
    except (ClientError, BadHttpMessage, web.RequestPayloadError, ConnectionError):
        raise DomainError(Code.MALFORMED, "The body breaks off before its end.") from None
    if body and is_json:
        _require_json(request)
    return bytes(body)


def _require_json(request: web.Request) -> None:
    charset = (request.charset or "utf-8").lower()
    if request.content_type != "application/json" or charset not in {"utf-8", "utf8", "us-ascii"}:
        raise DomainError(Code.UNSUPPORTED_MEDIA, "Send JSON in UTF-8, with Content-Type: application/json.")


def _typed(field: FieldInfo, text: str | list[str]) -> Any:
    """Text of a path or query as the field's type; what does not fit is left to the whole command's check."""
    try:
        value = msgspec.convert(text, field.type, strict=False)
    except msgspec.ValidationError:
        return text
    # What is left out is left out: the text "null", which msgspec reads too, is no number.
    if value is None:
        return text
    # msgspec also reads "1.0", which would be another way to write a URL that was signed.
    return text if type(value) is int and not _WHOLE.fullmatch(str(text)) else value


def _is_list(field: FieldInfo) -> bool:
    info = type_info(field.type)
    members = info.types if isinstance(info, UnionType) else (info,)
    return any(isinstance(member, ListType | VarTupleType | SetType) for member in members)


def _too_large() -> DomainError:
    return DomainError(Code.PAYLOAD_TOO_LARGE, f"A body has at most {MAX_BODY_BYTES} bytes.")
