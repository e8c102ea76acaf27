"""What a command says of its fields: lengths, counts and ranges, read out of its type."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from domain.wire.limits import FieldBounds


def bounds_of(commands: Sequence[type[msgspec.Struct] | None]) -> list[dict[str, FieldBounds]]:
    """Of each command, or nothing, its fields' bounds by their paths."""
    known = [command for command in dict.fromkeys(commands) if command is not None]
    schemas, components = msgspec.json.schema_components(known, ref_template="{name}")
    found = {}
    for command, schema in zip(known, schemas, strict=True):
        bounds: dict[str, dict[str, Any]] = {}
        _collect(schema, "", components, bounds)
        found[command] = {path: msgspec.convert(said, FieldBounds) for path, said in bounds.items()}
    return [{} if command is None else found[command] for command in commands]


_WORDS = frozenset(field.encode_name for field in msgspec.structs.fields(FieldBounds))


def _collect(schema: dict[str, Any], path: str, components: dict[str, Any], into: dict[str, dict[str, Any]]) -> None:
    if "$ref" in schema:
        schema = components[schema["$ref"]]
    said = {word: value for word, value in schema.items() if word in _WORDS}
    if path and said:
        into.setdefault(path, {}).update(said)
    for name, field in schema.get("properties", {}).items():
        _collect(field, f"{path}.{name}" if path else name, components, into)
    for other in schema.get("anyOf", ()):
        _collect(other, path, components, into)
    for word, suffix in (("items", "[]"), ("additionalProperties", "{}")):
        if isinstance(schema.get(word), dict):
            _collect(schema[word], path + suffix, components, into)
