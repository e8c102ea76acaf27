"""JSON Schema of what travels, as both documents show it: one component a type, by the type's name.

msgspec reads the types; here they are put into the words of whoever reads a document: what an answer always has is
required, an enumeration has a type, fields have formats and examples, and descriptions name fields as the wire does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import msgspec
from msgspec import UNSET
from msgspec import inspect as types

from domain.wire.field_examples import EMPTY, TELLING, meaning_of

Schema = dict[str, Any]

PREFIX = "#/components/schemas/"
_NULL = {"type": "null"}
_SCALARS = ("string", "integer", "number", "boolean")


class Schemas:
    """Of these types and all that they contain."""

    def __init__(self, kinds: Sequence[Any]) -> None:
        kinds = list(dict.fromkeys(kinds))
        schemas, components = msgspec.json.schema_components(kinds, ref_template=PREFIX + "{name}")
        self._structs = _structs_of(kinds)
        self.components = {
            name: _finished(schema, self._structs.get(name)) for name, schema in sorted(components.items())
        }
        self._schemas = {kind: _finished(schema) for kind, schema in zip(kinds, schemas, strict=True)}

    def of(self, kind: Any) -> Schema:
        """A reference, where it has a component of its own."""
        return self._schemas[kind]

    def fields(self, kind: Any) -> Schema:
        """The object with its ``properties`` and ``required``."""
        return self.resolved(self._schemas[kind])

    def add(self, name: str, schema: Schema) -> Schema:
        """A component of the document's own; the reference to it."""
        known = self.components.setdefault(name, schema)
        if known != schema:
            raise ValueError(f"two schemas are called {name}")
        return {"$ref": PREFIX + name}

    def resolved(self, schema: Schema) -> Schema:
        while "$ref" in schema:
            schema = self.components[schema["$ref"].removeprefix(PREFIX)]
        return schema

    def reachable(self, root: Any) -> dict[str, Schema]:
        """The components that are referred to from there, directly or by others."""
        found: dict[str, Schema] = {}
        waiting = [*_references(root)]
        while waiting:
            name = waiting.pop()
            if name not in found:
                found[name] = self.components[name]
                waiting += _references(found[name])
        return dict(sorted(found.items()))

    @staticmethod
    def default_of(kind: type[msgspec.Struct], name: str) -> Any:
        """The default of a field of a request, or None."""
        defaults = {field.encode_name: field.default for field in _fields(kind)}
        return None if defaults[name] in (msgspec.NODEFAULT, UNSET) else defaults[name]

    def example(self, schema: Schema, name: str = "") -> Any:
        """A value that fits."""
        schema = self.resolved(schema)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            usual = meaning_of(name, {"type": schema["type"]}).example
            return usual if usual in schema["enum"] else schema["enum"][0]
        if "anyOf" in schema:
            return self.example(next(choice for choice in schema["anyOf"] if choice != _NULL), name)
        if schema.get("type") == "object":
            return self._example_of_object(schema)
        if schema.get("type") == "array":
            return [] if name in EMPTY or "items" not in schema else [self.example(schema["items"], name)]
        return schema["examples"][0] if "examples" in schema else None

    def _example_of_object(self, schema: Schema) -> Any:
        if "properties" not in schema:
            more = schema.get("additionalProperties")
            key = self.example(schema["propertyNames"]) if "propertyNames" in schema else "name"
            return {key: self.example(more)} if isinstance(more, dict) else {}
        properties, required = schema["properties"], schema.get("required", ())
        is_request = schema.get("additionalProperties") is False
        shown = [name for name in properties if name in required or (is_request and name in TELLING)]
        shown = shown or [name for name in properties if name != "idempotencyKey"][:2]
        return {name: self.example(properties[name], name) for name in shown}


def _references(node: Any) -> Iterable[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str) and node["$ref"].startswith(PREFIX):
            yield node["$ref"].removeprefix(PREFIX)
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


def _structs_of(kinds: Iterable[Any]) -> dict[str, type[msgspec.Struct]]:
    """By the names of their components. Raises ``ValueError`` for two of one name."""
    found: dict[str, type[msgspec.Struct]] = {}
    waiting: list[Any] = list(types.multi_type_info(list(kinds)))
    while waiting:
        info = waiting.pop()
        if isinstance(info, types.StructType):
            known = found.get(info.cls.__name__)
            if known is None:
                found[info.cls.__name__] = info.cls
                waiting += [field.type for field in info.fields]
            elif known is not info.cls:
                raise ValueError(f"two types are called {info.cls.__name__}")
        elif isinstance(info, types.Metadata):
            waiting.append(info.type)
        elif isinstance(info, types.UnionType):
            waiting += info.types
        elif isinstance(info, types.DictType):
            waiting += [info.key_type, info.value_type]
        elif isinstance(info, types.TupleType):
            waiting += info.item_types
        elif hasattr(info, "item_type"):
            waiting.append(info.item_type)
    return found


_fields = cache(msgspec.structs.fields)


def _finished(schema: Schema, struct: type[msgspec.Struct] | None = None) -> Schema:
    if struct is None:
        return _field("", schema)
    names = {field.name: field.encode_name for field in _fields(struct)}
    done = {key: value for key, value in schema.items() if key not in ("properties", "required", "description")}
    if "description" in schema:
        done["description"] = in_wire_words(schema["description"], names)
    done["properties"] = {name: _field(name, value, names) for name, value in schema["properties"].items()}
    if struct.__struct_config__.omit_defaults:
        # What is null is left out.
        done["properties"] = {name: without_null(value) for name, value in done["properties"].items()}
    required = [field.encode_name for field in _fields(struct) if _is_required(struct, field)]
    if required:
        done["required"] = required
    return done


def _is_required(struct: type[msgspec.Struct], field: msgspec.structs.FieldInfo) -> bool:
    """Of what is sent: whether it has to be there. Of what is answered: whether it always is."""
    config = struct.__struct_config__
    if config.forbid_unknown_fields or config.omit_defaults:
        return field.required
    return field.default is not UNSET


def _field(name: str, schema: Schema, names: dict[str, str] | None = None) -> Schema:
    """``names``: of the fields beside it, which its description may mention."""
    if "$ref" in schema:
        return dict(schema)
    done = {key: value for key, value in schema.items() if key not in ("default", "description")}
    told = [in_wire_words(schema["description"], names or {})] if "description" in schema else []
    default = schema.get("default")
    if default is not None and default not in ((), [], {}):
        told.append(f"Default: {json.dumps(default)}.")
    if told:
        done["description"] = " ".join(told)
    if "enum" in done:
        done["type"] = "string" if all(isinstance(value, str) for value in done["enum"]) else "integer"
    elif done.get("type") in _SCALARS:
        meaning = meaning_of(name, done)
        if meaning.format is not None:
            done["format"] = meaning.format
        if meaning.example is not None:
            done["examples"] = [meaning.example]
    if "propertyNames" in done:
        done["propertyNames"] = {"type": "string", **done["propertyNames"]}
    for word in ("items", "additionalProperties", "propertyNames"):
        if isinstance(done.get(word), dict):
            done[word] = _field(name, done[word], names)
    if "anyOf" in done:
        done = _choice(done, [_field(name, choice, names) for choice in done["anyOf"]])
    if "pattern" in done:
        done["pattern"] = _ecma(done["pattern"])
    return done


def _choice(schema: Schema, choices: list[Schema]) -> Schema:
    """A scalar that may be null is one type, beside which its description stands."""
    others = [choice for choice in choices if choice != _NULL]
    if len(choices) != 2 or len(others) != 1 or others[0].get("type") not in _SCALARS or "enum" in others[0]:
        return {**schema, "anyOf": choices}
    told = {"description": " ".join(one["description"] for one in (*others, schema) if "description" in one)}
    rest = {word: value for word, value in schema.items() if word not in ("anyOf", "description")}
    return {**others[0], "type": [others[0]["type"], "null"], **rest, **(told if told["description"] else {})}


def without_null(schema: Schema) -> Schema:
    """The same where what is null is left out."""
    if isinstance(schema.get("type"), list):
        return {**schema, "type": schema["type"][0]}
    choices = [choice for choice in schema.get("anyOf", ()) if choice != _NULL]
    return choices[0] if len(choices) == 1 else schema


def _ecma(pattern: str) -> str:
    """In the dialect of JSON Schema (ECMA-262 with the flag ``u``), which has ``$`` for what Python calls ``\\Z``, and
    no needless escapes."""
    return _ESCAPE.sub(lambda escape: _ECMA.get(escape[0], escape[0]), pattern)


_ESCAPE = re.compile(r"\\.", re.DOTALL)
_ECMA = {r"\Z": "$", r"\"": '"'}

_QUOTED = re.compile(r"``([^`]+)``")
_SNAKE = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)+")


def in_wire_words(text: str, names: dict[str, str]) -> str:
    """A docstring as a description: fields by their names on the wire, in single quotes of Markdown."""

    def named(match: re.Match[str]) -> str:
        return "`" + _SNAKE.sub(lambda word: names.get(word[0], word[0]), match[1]) + "`"

    paragraphs = [" ".join(paragraph.split()) for paragraph in text.split("\n\n")]
    return _QUOTED.sub(named, "\n\n".join(paragraphs))
