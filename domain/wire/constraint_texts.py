"""What a type wants of a value, in words for people."""

from __future__ import annotations

import re
from collections.abc import Sequence

from msgspec.inspect import (
    BoolType,
    DictType,
    Field,
    FloatType,
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
)

LISTS = (ListType, VarTupleType)


def must_be(kind: Type) -> str:
    return f"has to be {_noun(kind)}"


def _noun(kind: Type, description: str = "") -> str:
    if isinstance(kind, Metadata):
        return _noun(kind.type, description or _described(kind))
    if isinstance(kind, UnionType):
        return union(kind, False)
    if isinstance(kind, StrType):
        length = bounds(kind.min_length, kind.max_length)
        return (description or "text") + (f", {length} characters" if length else "")
    note = f" ({description})" if description else ""
    if isinstance(kind, IntType | FloatType):
        number = "a whole number" if isinstance(kind, IntType) else "a number"
        return number + _span(kind.ge, kind.le) + _multiple(kind.multiple_of) + note
    if isinstance(kind, LiteralType):
        return ("one of " if len(kind.values) > 1 else "") + ", ".join(map(str, kind.values))
    if isinstance(kind, StructType):
        return f"an object with {_names(kind.fields)}"
    if isinstance(kind, LISTS):
        length = bounds(kind.min_length, kind.max_length)
        return f"a list of {length} items" if length else "a list"
    return _NOUNS.get(type(kind), "another value") + note


def _described(kind: Metadata) -> str:
    """In words of no document's mark-up."""
    return str((kind.extra_json_schema or {}).get("description", "")).replace("`", "")


_NOUNS: dict[type[Type], str] = {BoolType: "true or false", NoneType: "null", DictType: "an object"}


def union(kind: UnionType, null: bool) -> str:
    """Where a field can be left out, null is no news."""
    told = [_noun(one) for one in kind.types if null or not isinstance(one, NoneType)]
    return ", or ".join(told)


def _names(fields: Sequence[Field]) -> str:
    names = [field.encode_name for field in fields if field.encode_name != "idempotencyKey"]
    if not names:
        return "no fields"
    return ("the field " if len(names) == 1 else "the fields ") + ", ".join(names)


def bounds(least: int | None, most: int | None) -> str:
    if least and most is not None:
        return f"{least} to {most}"
    return f"at most {most}" if most is not None else f"at least {least}" if least else ""


def _span(least: float | None, most: float | None) -> str:
    if least is not None and most is not None:
        return f" from {least} to {most}"
    return f" of at most {most}" if most is not None else f" of at least {least}" if least is not None else ""


def _multiple(of: float | None) -> str:
    return f" that is a multiple of {of}" if of else ""


def of_half(found: re.Match[str]) -> str:
    half = f"\\u{ord(found.group()):04x}"
    return f"holds {half}, half of a surrogate pair and no character: send both halves, or U+FFFD"
