"""Commands that fit, and everything that does not fit in their place, derived from the commands' own types."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from msgspec.inspect import (
    BoolType,
    DictType,
    Field,
    IntType,
    ListType,
    LiteralType,
    Metadata,
    NoneType,
    StrType,
    StructType,
    Type,
    UnionType,
    VarTupleType,
    type_info,
)

from domain.wire.base import Command

DEEP = 100_000
NESTED = "[" * DEEP + "]" * DEEP
OPERATOR = '{"$ne": null}'
NUL = r'"a\u0000b"'
# Every kind of JSON value, by the name that `_kinds` gives it.
_ONE_OF_EACH = {
    "string": '"x"',
    "number": "7",
    "fraction": "0.5",
    "boolean": "true",
    "null": "null",
    "array": "[]",
    "object": OPERATOR,
}


@dataclass(frozen=True)
class InvalidValue:
    """A field's value as JSON text, and the codes it may be refused with."""

    label: str
    value: str
    codes: frozenset[str] = frozenset({"validation_failed"})


_BROKEN = frozenset({"malformed", "validation_failed"})


def fields_of(command: type[Command]) -> tuple[Field, ...]:
    info = type_info(command)
    assert isinstance(info, StructType)
    return info.fields


def fitting(command: type[Command], known: Mapping[str, str]) -> dict[str, str]:
    """JSON text for each field: one of its choices, from ``known`` by its name, or else from its type."""

    def fits(field: Field) -> str:
        has_choices = any(isinstance(kind, LiteralType) for kind in _members(field.type))
        return _fitting(field) if has_choices else known.get(field.encode_name) or _fitting(field)

    return {field.encode_name: fits(field) for field in fields_of(command)}


def _fitting(field: Field) -> str:
    for kind in _members(field.type):
        if isinstance(kind, BoolType):
            return "true"
        if isinstance(kind, IntType):
            return str(kind.ge or 0)
        if isinstance(kind, ListType | VarTupleType):
            return "[]"
        if isinstance(kind, DictType):
            return "{}"
        if isinstance(kind, LiteralType):
            return json.dumps(kind.values[0])
        if isinstance(kind, StrType) and kind.pattern is None:
            return json.dumps("x" * (kind.min_length or 1))
    raise AssertionError(f"these tests need a sample for the field {field.encode_name}: see RawConversation.known")


def spoilt(field: Field) -> Iterator[InvalidValue]:
    """Everything the field's type cannot take."""
    accepted = {name for kind in _members(field.type) for name in _kinds(kind)}
    for name, value in _ONE_OF_EACH.items():
        if name not in accepted:
            yield InvalidValue(f"a {name}", value)
    yield InvalidValue("NaN", "NaN", _BROKEN)
    yield InvalidValue("endless nesting", NESTED, _BROKEN)
    for kind in _members(field.type):
        yield from _too_large(kind)
        if isinstance(kind, StrType):
            yield InvalidValue("a lone surrogate", r'"\ud800"', _BROKEN)
            yield InvalidValue("half a surrogate pair in words", r'"well \udc00 then"', _BROKEN)
            if kind.pattern is not None:
                yield InvalidValue("a NUL", NUL)


def _too_large(kind: Type) -> Iterator[InvalidValue]:
    if isinstance(kind, StrType):
        yield InvalidValue("too long", json.dumps("a" * ((kind.max_length or 10_000) + 1)))
        if kind.min_length or kind.pattern:
            yield InvalidValue("empty", '""')
    elif isinstance(kind, IntType):
        assert kind.le is not None, "an integer without a limit"
        yield InvalidValue("too large", str(kind.le + 1))
        yield InvalidValue("beyond 64 bits", "9" * 30)
        yield InvalidValue("5,000 digits", "9" * 5000)
        yield InvalidValue("an exponent", "1e400")
        yield InvalidValue("too small", str((kind.ge or 0) - 1))
    elif isinstance(kind, ListType | VarTupleType):
        assert kind.max_length is not None, "a list without a limit"
        yield InvalidValue("an operator in a list", f"[{OPERATOR}]")
        yield InvalidValue("a null in a list", "[null]")
        yield InvalidValue("too many in a list", json.dumps([f"{n:024x}" for n in range(kind.max_length + 1)]))
    elif isinstance(kind, DictType):
        assert kind.max_length is not None, "a dictionary without a limit"
        yield InvalidValue("a dictionary with a blank key", '{"": 0}')
        yield InvalidValue("too many in a dictionary", json.dumps({f"{n:024x}": 0 for n in range(kind.max_length + 1)}))


def _members(kind: Type) -> Iterator[Type]:
    if isinstance(kind, Metadata):
        yield from _members(kind.type)
    elif isinstance(kind, UnionType):
        for member in kind.types:
            yield from _members(member)
    else:
        yield kind


def _kinds(kind: Type) -> tuple[str, ...]:
    """What the type takes of JSON. No object takes an operator: its keys are ids or known fields."""
    if isinstance(kind, StrType):
        return ("string",)
    if isinstance(kind, IntType):
        return ("number",)
    if isinstance(kind, BoolType):
        return ("boolean",)
    if isinstance(kind, NoneType):
        return ("null",)
    if isinstance(kind, ListType | VarTupleType):
        return ("array",)
    return ()


def takes_any_words(field: Field) -> bool:
    """Whether it is a string without a form of its own."""
    return any(isinstance(kind, StrType) and kind.pattern is None for kind in _members(field.type))


def as_object(fields: Mapping[str, str]) -> str:
    return "{" + ",".join(f"{json.dumps(name)}:{value}" for name, value in fields.items()) + "}"
