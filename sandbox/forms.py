"""Parameters as Stripe reads them: ``a[b][0]=1`` nested, typed by the operation's schema, refused in Stripe's words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from sandbox.document import Schema
from sandbox.errors import StripeError, malformed

_PART = re.compile(r"\[([^\]]*)\]")
_NAME = re.compile(r"^[^\[\]]+")
_INTEGER = re.compile(r"^-?\d{1,18}$")
_CURRENCY = re.compile(r"^[A-Za-z]{3}$")
_MOST_PARAMETERS = 2000
# Stripe's own, which no schema says.
_METADATA_KEYS, _METADATA_KEY, _METADATA_VALUE = 50, 40, 500

Nested = dict[str, Any]


def read(text: str, schema: Schema) -> dict[str, Any]:
    """The parameters with their types. Raises StripeError."""
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_PARAMETERS, errors="strict")
    except ValueError:
        raise malformed("Invalid request: the parameters cannot be read") from None
    found: dict[str, Any] = _object(_nested(pairs), schema, "")
    return found


def _nested(pairs: Iterable[tuple[str, str]]) -> Nested:
    """Lists are dictionaries by index here; ``a[]`` is the next."""
    tree: Nested = {}
    for key, value in pairs:
        start = _NAME.match(key)
        if start is None:
            raise malformed(f"Invalid parameter name: {key[:100]}")
        parts = [start[0], *_PART.findall(key[start.end() :])]
        place = tree
        for part in parts[:-1]:
            inner = place.setdefault(part or str(len(place)), {})
            if not isinstance(inner, dict):
                raise malformed("Invalid parameters: a value is also a hash", start[0])
            place = inner
        if isinstance(place.get(parts[-1]), dict):
            raise malformed("Invalid parameters: a hash is also a value", start[0])
        place[parts[-1] or str(len(place))] = value
    return tree


def _value(given: Any, schema: Schema, name: str) -> Any:
    if "anyOf" in schema:
        return _any(given, schema["anyOf"], name)
    kind = schema.get("type")
    if kind == "object":
        return _object(given, schema, name)
    if kind == "array":
        return _array(given, schema, name)
    if not isinstance(given, str):
        raise malformed(f"Invalid {kind or 'string'}: {{hash}}", name, f"parameter_invalid_{kind or 'string'}")
    if kind == "integer":
        return _integer(given, name)
    if kind == "number":
        return _number(given, name)
    if kind == "boolean":
        return _boolean(given, name)
    return _string(given, schema, name)


def _any(given: Any, schemas: list[Schema], name: str) -> Any:
    problem: StripeError | None = None
    # What fits best says what is wrong with it: a hash is told of its fields, a text of its form.
    for schema in sorted(schemas, key=lambda one: (one.get("type") == "object") != isinstance(given, dict)):
        try:
            return _value(given, schema, name)
        except StripeError as error:
            problem = problem or error
    assert problem is not None
    raise problem


def _object(given: Any, schema: Schema, name: str) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise malformed("Invalid object", name, "parameter_invalid_object")
    known: Mapping[str, Schema] = schema.get("properties", {})
    more = schema.get("additionalProperties", False)
    found = {}
    for key, value in given.items():
        inner = f"{name}[{key}]" if name else key
        if key in known:
            found[key] = _value(value, known[key], inner)
        elif isinstance(more, dict):
            found[key] = _value(value, more, inner)
        else:
            raise malformed(f"Received unknown parameter: {inner}", inner, "parameter_unknown")
    for key in schema.get("required", ()):
        if key not in found:
            inner = f"{name}[{key}]" if name else key
            raise malformed(f"Missing required param: {inner}.", inner, "parameter_missing")
    if name == "metadata" or name.endswith("[metadata]"):
        _bounded(found, name)
    return found


def _bounded(metadata: Mapping[str, str], name: str) -> None:
    if len(metadata) > _METADATA_KEYS:
        raise malformed(f"You may only specify up to {_METADATA_KEYS} keys in metadata.", name)
    for key, value in metadata.items():
        if len(key) > _METADATA_KEY or len(value) > _METADATA_VALUE:
            raise malformed(
                f"Metadata keys have up to {_METADATA_KEY} characters and values up to {_METADATA_VALUE}.",
                f"{name}[{key}]",
                "parameter_invalid_string",
            )


def _array(given: Any, schema: Schema, name: str) -> list[Any]:
    if not isinstance(given, dict):
        raise malformed("Invalid array", name, "parameter_invalid_array")
    if not all(key.isdecimal() for key in given):
        raise malformed("Invalid array", name, "parameter_invalid_array")
    ordered = sorted(given.items(), key=lambda item: int(item[0]))
    return [_value(one, schema["items"], f"{name}[{key}]") for key, one in ordered]


def _integer(given: str, name: str) -> int:
    if not _INTEGER.match(given):
        raise malformed(f"Invalid integer: {given[:100]}", name, "parameter_invalid_integer")
    return int(given)


def _number(given: str, name: str) -> float:
    try:
        return float(given)
    except ValueError:
        raise malformed(f"Invalid number: {given[:100]}", name, "parameter_invalid_number") from None


def _boolean(given: str, name: str) -> bool:
    if given not in ("true", "false"):
        raise malformed(f"Invalid boolean: {given[:100]}", name, "parameter_invalid_boolean")
    return given == "true"


def _string(given: str, schema: Schema, name: str) -> str:
    if "enum" in schema and given not in schema["enum"]:
        allowed = [one for one in schema["enum"] if one]
        raise malformed(f"Invalid {name}: must be one of {', '.join(allowed[:40])}", name)
    if len(given) > schema.get("maxLength", len(given)):
        raise malformed(f"Invalid string: {name} must be at most {schema['maxLength']} characters", name)
    if schema.get("format") == "currency" or name == "currency":
        if not _CURRENCY.match(given):
            raise malformed(f"Invalid currency: {given[:100]}", "currency")
        return given.lower()
    return given
